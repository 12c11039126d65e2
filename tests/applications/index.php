<?php
// Tells how PHP reads a request: [kind, name, value] a line of an array.
$uri = $_SERVER['REQUEST_URI'] ?? '';
$path = (string) parse_url($uri, PHP_URL_PATH);
$told = [
    ['path', 'rawurldecode', rawurldecode($path)],
    ['path', 'parse_url', $path],
    ['path', 'REQUEST_URI', $uri],
    ['path', 'PATH_INFO', $_SERVER['PATH_INFO'] ?? ''],
    ['path', 'ORIG_PATH_INFO', $_SERVER['ORIG_PATH_INFO'] ?? ''],
    ['path', 'PHP_SELF', preg_replace('~^/index\.php~', '', $_SERVER['PHP_SELF'] ?? '')],
    ['host', 'HTTP_HOST', $_SERVER['HTTP_HOST'] ?? ''],
    ['host', 'SERVER_NAME', $_SERVER['SERVER_NAME'] ?? ''],
    ['host', 'parse_url', (string) parse_url($uri, PHP_URL_HOST)],
];
foreach ($_SERVER as $name => $value) {
    if (str_starts_with($name, 'HTTP_')) {
        $told[] = ['header', substr($name, 5), $value];
    } elseif (preg_match('~^(REMOTE_USER|REDIRECT_|AUTH_|ORIG_|PHP_AUTH_USER)~', $name)) {
        $told[] = ['header', $name, $value];
    }
}
header('Content-Type: application/json');
echo json_encode($told, JSON_INVALID_UTF8_SUBSTITUTE);
