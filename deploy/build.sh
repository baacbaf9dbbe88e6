#!/bin/sh
# Builds allama as one static file that needs nothing of the system it runs on:
# `deploy/build.sh FILE`. SQLite is written in C, so it takes a C compiler and a
# libc that can be linked in. VERSION is what `allama version` is to say; empty:
# what the Go command makes of the repository.
set -eu
cd "$(dirname "$0")/.."
CGO_ENABLED=1 go build -trimpath \
  -tags 'netgo osusergo sqlite_omit_load_extension timetzdata' \
  -ldflags "-s -w -linkmode external -extldflags -static -X main.stamp=${VERSION:-}" \
  -o "$1" .
