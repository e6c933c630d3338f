#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the seeds of fuzz_signature_prefilter, fuzz_minisign, fuzz_oci_signature and fuzz_inflate:  fuzz/make_verifier_seeds.sh fuzz/corpus
set -eu
corpus=$(realpath "$1")
signatures=$(realpath "$(dirname "$0")/../tests/signatures")
work=$(mktemp -d)
trap 'GNUPGHOME=$work gpgconf --kill all; rm -rf "$work"' EXIT
export GNUPGHOME=$work
chmod 700 "$work"
cd "$work"
printf 'an image\n' > image
sign() { gpg --batch --quiet --yes -o "$corpus/signature_prefilter/$1" "$2" "$3" image; }

mkdir -p "$corpus/signature_prefilter" "$corpus/minisign" "$corpus/inflate"
for key in ed25519 rsa2048; do
  gpg --batch --quiet --passphrase '' --quick-gen-key "$key <$key@example.com>" "$key" sign never
done
sign detached --no-armor --detach-sign
sign detached.asc --armor --detach-sign
sign textmode --textmode --detach-sign
sign clearsigned --armor --clearsign
sign inline --no-armor --sign
gpg --batch --quiet --yes -u rsa2048 --digest-algo SHA1 --sig-notation '!strange@example.com=x' \
  -o "$corpus/signature_prefilter/critical" --detach-sign image
cat "$corpus/signature_prefilter/detached" "$corpus/signature_prefilter/critical" > "$corpus/signature_prefilter/two"
gpg --export ed25519 > "$corpus/signature_prefilter/key"
gpg --armor --export rsa2048 > "$corpus/signature_prefilter/key.asc"
printf -- '-----BEGIN PGP SIGNATURE-----\n\naGVsbG8=\n-----END PGP SIGNATURE-----\n' > "$corpus/signature_prefilter/armor"

minisign -G -W -p "$corpus/minisign/key.pub" -s secret > /dev/null
minisign -S -s secret -m image -x "$corpus/minisign/prehashed" -t 'timestamp:1700000000 x' > /dev/null
minisign -S -l -s secret -m image -x "$corpus/minisign/legacy" > /dev/null

tar --owner=0 --group=0 --numeric-owner --mtime=@1 -cf image.tar image
cp image.tar "$corpus/inflate/tar"
gzip -9 < image.tar > "$corpus/inflate/gzip"
gzip -9 -c image.tar > "$corpus/inflate/gzip-name"
bzip2 < image.tar > "$corpus/inflate/bzip2"
xz < image.tar > "$corpus/inflate/xz"
xz -C sha256 --block-size=4096 < image.tar > "$corpus/inflate/xz-blocks"
zstd -q < image.tar > "$corpus/inflate/zstd"
cat "$corpus/inflate/gzip" "$corpus/inflate/gzip" > "$corpus/inflate/gzip-members"
head -c 60 "$corpus/inflate/gzip" > "$corpus/inflate/gzip-truncated"
head -c 2000000 /dev/zero | gzip -9 > "$corpus/inflate/gzip-zeros"
printf '\050\265\057\375\000\250' > "$corpus/inflate/zstd-window"

# An octet says which reader the rest is for (fuzz_oci_signature.cc).
mkdir -p "$corpus/oci_signature"
seed() { { printf %s "$1"; cat; } > "$corpus/oci_signature/$2"; }
seed c cosign-claim < "$signatures/cosign.payload"
seed n cosign-annotations < "$signatures/cosign-ecdsa-p256.json"
python3 -c 'import json, sys; print(json.load(sys.stdin)["dev.sigstore.cosign/bundle"], end="")' \
  < "$signatures/cosign-ecdsa-p256.json" | seed l cosign-log
seed b bundle-envelope < "$signatures/bundle-ed25519.json"
seed b bundle-message < "$signatures/bundle-message.json"
python3 -c 'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["dsseEnvelope"]["payload"]))' \
  < "$signatures/bundle-ed25519.json" | seed s statement
seed m message < "$signatures/simple"
sed 's/cosign container image/atomic container/; s/null/{}/' "$signatures/cosign.payload" | seed a atomic-claim
gpg --batch --quiet --yes -u ed25519 -z 0 -o message --sign image && seed m message-plain < message
gpg --batch --quiet --yes -u ed25519 --compress-algo zlib -o message --sign image && seed m message-zlib < message
for key in ecdsa-p256 ecdsa-p384 ed25519 rsa-2048; do seed k "key-$key" < "$signatures/$key.pub"; done
