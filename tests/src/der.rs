//! Just enough DER (ITU-T X.690) to hand private keys to a signer.

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// OIDs as complete DER elements, from RFC 8410 section 3 and RFC 5480 section 2.1.1.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// `RSAPrivateKey` of RFC 8017 appendix A.1.2 from its eight numbers, big-endian, version first.
pub(crate) fn rsa_private_key(numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut content = integer(&[0]);
    for number in numbers {
        content.extend(integer(number));
    }
    element(SEQUENCE, &content)
}

/// PKCS #8 of an Ed25519 seed (RFC 8410 section 7).
pub(crate) fn ed25519_private_key(seed: &[u8]) -> Vec<u8> {
    private_key_info(ED25519, &element(OCTET_STRING, seed))
}

/// PKCS #8 of a P-256 scalar (RFC 5958, RFC 5915).
pub(crate) fn p256_private_key(scalar: &[u8]) -> Vec<u8> {
    let mut key = integer(&[1]);
    key.extend(element(OCTET_STRING, scalar));
    private_key_info(&[EC_PUBLIC_KEY, PRIME256V1].concat(), &element(SEQUENCE, &key))
}

fn private_key_info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let mut content = integer(&[0]);
    content.extend(element(SEQUENCE, algorithm));
    content.extend(element(OCTET_STRING, key));
    element(SEQUENCE, &content)
}

fn integer(big_endian: &[u8]) -> Vec<u8> {
    // A leading one bit would make the number negative.
    let sign = big_endian.first().filter(|first| **first >= 0x80).map(|_| 0);
    element(INTEGER, &sign.into_iter().chain(big_endian.iter().copied()).collect::<Vec<_>>())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.extend(u8::try_from(length));
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
        bytes.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
        bytes.extend(digits);
    }
    bytes.extend_from_slice(content);
    bytes
}
