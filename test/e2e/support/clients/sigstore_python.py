"""sigstore_python.py BUNDLE TUF_URL SUBJECT ISSUER SHA256: verifies a signature of an image with sigstore-python.

The TUF repository must have been trusted before (`sigstore --instance URL trust-instance ROOT`). The library and not its
command line, which wants a name for each subject of a statement: cosign names an image by its digest alone.
"""
import json
import sys

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

file, url, subject, issuer, digest = sys.argv[1:]
bundle = Bundle.from_json(open(file).read())
verifier = Verifier(trusted_root=ClientTrustConfig.from_tuf(url).trusted_root)
kind, payload = verifier.verify_dsse(bundle, Identity(identity=subject, issuer=issuer))
digests = [one["digest"]["sha256"] for one in json.loads(payload)["subject"]]
if kind != "application/vnd.in-toto+json" or digests != [digest]:
    sys.exit("a signature of something else: %s %s" % (kind, digests))
print("verified", digest)
