# One image for all parts of allama: a static binary, the roots of trust of TLS
# and empty folders. Nothing else is in it, not even a shell.
#
# The tag of the first stage names an exact line of Go and of Debian. Pin it by
# digest where builds have to be the same for ever:
#   docker buildx imagetools inspect golang:1.26-bookworm
FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=1 GOFLAGS=-buildvcs=false
WORKDIR /src
COPY go.work go.work.sum go.mod go.sum ./
COPY shared/go.mod shared/go.sum shared/
COPY broker/go.mod broker/go.sum broker/
COPY ingress/go.mod ingress/go.sum ingress/
COPY workers/go.mod workers/go.sum workers/
RUN go mod download
COPY . .
ARG VERSION=
RUN VERSION="$VERSION" deploy/build.sh /out/allama && deploy/rootfs.sh /out/allama /out

FROM scratch
ARG VERSION=
LABEL org.opencontainers.image.title="allama" \
      org.opencontainers.image.description="One gateway for the models of many providers" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build --chown=0:0 /out/root/ /
COPY --from=build --chown=65532:65532 /out/own/ /
ENV DATABASE_PATH=/data/allama.db ALLAMA_DATA_DIR=/data
WORKDIR /data
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/allama", "health"]
ENTRYPOINT ["/allama"]
