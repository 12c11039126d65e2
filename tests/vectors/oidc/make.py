"""Writes the vectors of this folder anew, with new keys. See README.md."""

import json
import pathlib

import bad_tokens
import good
import id_tokens
import key_sets
import logout_tokens
from tokens import NOW, SKEW_SECONDS, ec_key, ed_key, issuer, rsa_key

FOLDER = pathlib.Path(__file__).parent


def write(name, issuers, vectors, **more):
    vectors = list(vectors)
    names = [vector["name"] for vector in vectors]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"{name}: {twice}"
    document = {"now": NOW, "skew_seconds": SKEW_SECONDS, **more, "issuers": issuers, "vectors": vectors}
    (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{name}.json: {len(vectors)} vectors")


def main():
    keys = [
        *(rsa_key(f"rsa-{bits}", bits) for bits in (2048, 3072, 4096)),
        ec_key("ec-1"),
        ed_key("ed-1"),
    ]
    write("good", [issuer(keys)], good.vectors(keys))
    write("bad_tokens", [issuer(keys)], bad_tokens.vectors(keys))
    write("key_sets", key_sets.issuers(), key_sets.vectors())
    write("id_tokens", [id_tokens.issuer_of(keys)], id_tokens.vectors(keys), expected=id_tokens.EXPECTED)
    write("logout_tokens", [issuer(keys)], logout_tokens.vectors(keys))


if __name__ == "__main__":
    main()
