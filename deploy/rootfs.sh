#!/bin/sh
# Lays out what is in the image beside nothing: `deploy/rootfs.sh BINARY FOLDER`
# fills FOLDER/root, which is to belong to root, and FOLDER/own, which is to
# belong to the user of the containers, 65532. Docker gives a new volume the owner
# of the folder that it covers, so each volume of compose.yaml has one in own.
set -eu
binary=$1
out=$2
roots=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

if [ ! -s "$roots" ]; then
  echo "rootfs: $roots is missing: install ca-certificates, or set SSL_CERT_FILE" >&2
  exit 1
fi
rm -rf "$out/root" "$out/own"
mkdir -p "$out/root/etc/ssl/certs"
cp "$binary" "$out/root/allama"
chmod 0555 "$out/root/allama"
cp "$roots" "$out/root/etc/ssl/certs/ca-certificates.crt"
chmod 0444 "$out/root/etc/ssl/certs/ca-certificates.crt"
echo 'allama:x:65532:65532::/data:/none' >"$out/root/etc/passwd"
echo 'allama:x:65532:' >"$out/root/etc/group"

mkdir -p "$out/own/data" "$out/own/tmp"
for user in broker ingress sync worker worker-openai worker-anthropic worker-ollama worker-demo; do
  mkdir -p "$out/own/credentials/$user"
done
chmod -R 0700 "$out/own"
