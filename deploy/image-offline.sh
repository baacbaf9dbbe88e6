#!/bin/sh
# Makes the image of a binary that is there already, without a registry:
# `deploy/image-offline.sh BINARY IMAGE`. With Docker the image is built, or
# imported where there is no builder; without, dist/rootfs.tar is left for whoever
# has one, such as `podman import`.
set -eu
binary=$1
image=$2
version=${VERSION:-dev}
here=$(cd "$(dirname "$0")/.." && pwd)
dist=$here/dist

"$here/deploy/rootfs.sh" "$binary" "$dist/image"
if docker info >/dev/null 2>&1; then
  if docker build --build-arg VERSION="$version" -t "$image" -f "$here/Dockerfile.prebuilt" "$dist/image"; then
    echo "built $image; start the stack by: IMAGE=$image docker compose up --no-build"
    exit 0
  fi
  echo "no builder works here, so the image is imported" >&2
fi

# One tree, with the owners that the Dockerfile gives.
tar -C "$dist/image/root" --owner=0 --group=0 --numeric-owner -cf "$dist/rootfs.tar" .
tar -C "$dist/image/own" --owner=65532 --group=65532 --numeric-owner -rf "$dist/rootfs.tar" data tmp credentials
import="--change 'USER 65532:65532' --change 'WORKDIR /data' --change 'STOPSIGNAL SIGTERM' --change 'ENTRYPOINT [\"/allama\"]'"
import="$import --change 'ENV DATABASE_PATH=/data/allama.db ALLAMA_DATA_DIR=/data'"
if docker info >/dev/null 2>&1; then
  eval "docker import $import '$dist/rootfs.tar' '$image'"
  echo "imported $image; start the stack by: IMAGE=$image docker compose up --no-build"
  exit 0
fi
echo "no Docker engine answers, so there is no image yet. What would be in it is in $dist/rootfs.tar; where there is an engine:"
echo "  docker import $import rootfs.tar $image"
