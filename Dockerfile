# Two images from one build: the product (the default) and, by --target sandbox,
# Salla and Clerk to play with. No image starts anything by itself: each service
# of docker-compose.yml says which of the programs it runs.

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
# Nothing in the image can make a folder: the spool's, which a volume takes over
# with its owner, comes from here.
RUN mkdir -p -m 0700 /state/spool
COPY . .
# Static programs that need no C library of the image they are in. The repository's
# history is not here to be asked for the version.
ARG TARGETOS TARGETARCH VERSION=dev REVISION=
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS="-mod=readonly -buildvcs=false"
ENV LDFLAGS="-s -w -X github.com/wosool/wosool/internal/telemetry.version=$VERSION -X github.com/wosool/wosool/internal/telemetry.revision=$REVISION"

FROM source AS build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -ldflags="$LDFLAGS" -o /out/ ./cmd/api ./cmd/worker ./cmd/wosool

FROM source AS build-sandbox
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -ldflags="$LDFLAGS" -o /out/ ./cmd/sandbox

FROM scratch AS base
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /

FROM base AS sandbox
COPY --from=build-sandbox /out/ /bin/
EXPOSE 8090

FROM base AS wosool
COPY --from=build /out/ /bin/
COPY --from=source --chown=65532:65532 /state/ /var/lib/wosool/
EXPOSE 8080 8081
