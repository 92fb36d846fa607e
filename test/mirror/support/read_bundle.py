"""A reader of bundles, written from docs/bundle-format.md alone: read_bundle.py FILE FINGERPRINT."""
import base64, hashlib, json, subprocess, sys, tempfile


def header(path, size):
    octal = b"%011o\0" % size if size < 8**11 else b"\x80\0\0\0" + size.to_bytes(8, "big")
    fields = [(0, path.encode()), (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"), (124, octal),
              (136, b"00000000000\0"), (148, b" " * 8), (156, b"0"), (257, b"ustar\x0000"), (329, b"0000000\0"),
              (337, b"0000000\0")]
    block = bytearray(512)
    for at, value in fields:
        block[at:at + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(file, path, size=None):
    """Reads the next member; its header and padding must be the ones that belong there."""
    found = file.read(512)
    if size is None:
        size = int(found[124:135], 8)
    assert found == header(path, size), f"header of {path}"
    content = file.read(size)
    assert len(content) == size and not any(file.read(-size % 512)), f"content of {path}"
    return content


def check_signature(inventory, document, trusted):
    signed = json.loads(document)
    key = base64.b64decode(signed["publicKey"])
    assert "sha256:" + hashlib.sha256(key).hexdigest() == trusted, "another key"
    with tempfile.NamedTemporaryFile() as k, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as i:
        for file, content in ((k, key), (s, base64.b64decode(signed["signature"])), (i, inventory)):
            file.write(content)
            file.flush()
        digest = [] if signed["algorithm"] == "ed25519" else ["-digest", "sha256"]
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", k.name, "-rawin", "-in",
                        i.name, "-sigfile", s.name, *digest], check=True, stdout=subprocess.DEVNULL)


def main(path, trusted):
    with open(path, "rb") as file:
        inventory = member(file, "sealift.json")
        check_signature(inventory, member(file, "sealift.json.sig"), trusted)
        base, inventory = file.tell(), json.loads(inventory)
        assert (inventory["format"], inventory["schemaVersion"]) == ("sealift.dev/bundle", 1)
        for each in inventory["members"]:
            assert file.tell() + 512 == base + each["offset"], f"place of {each['path']}"
            content = member(file, each["path"], each["size"])
            assert "sha256:" + hashlib.sha256(content).hexdigest() == each["digest"], f"digest of {each['path']}"
        assert file.read() == bytes(1024), "end"
        print(json.dumps({"images": [each["reference"] for each in inventory["images"]]}))


main(*sys.argv[1:])
