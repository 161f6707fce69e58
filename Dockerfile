# syntax=docker/dockerfile:1

# The versions that last passed .ci/run.
ARG NODE=20
ARG RUST=1.95
ARG DEBIAN=bookworm

# Builds the GraphiQL page, which the next stage embeds in the binary.
FROM node:${NODE}-${DEBIAN}-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY web ./
RUN npm run build

FROM rust:${RUST}-${DEBIAN} AS binary
WORKDIR /build
# Dependencies first, without our code, in a layer that only a change of Cargo.lock rebuilds.
COPY Cargo.toml Cargo.lock ./
COPY decimal/Cargo.toml decimal/
COPY front/Cargo.toml front/
COPY migration/Cargo.toml migration/
RUN mkdir src decimal/src front/src migration/src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs decimal/src/lib.rs front/src/lib.rs migration/src/lib.rs \
    && cargo build --profile dist --locked \
    && rm -r src decimal/src front/src migration/src
COPY build.rs ./
COPY src src
COPY decimal decimal
COPY front front
COPY migration migration
# The server includes parts of it, for the CDN page.
COPY web/src web/src
COPY --from=web /build/web/dist web/dist
# Cargo compares modification times, and a checkout may be older than the layer above.
RUN touch build.rs src/lib.rs src/main.rs decimal/src/lib.rs front/src/lib.rs migration/src/lib.rs \
    && cargo build --profile dist --locked

FROM debian:${DEBIAN}-slim
# For TLS to the database and to Supabase's key server.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/image-gallery --create-home gallery
COPY --from=binary /build/target/dist/image-gallery /usr/local/bin/
COPY deploy/healthcheck /usr/local/bin/
# A numeric user, so that an orchestrator can verify that it is not root.
USER 10001
# Without DATABASE_URL the gallery is a file here: mount a volume.
WORKDIR /var/lib/image-gallery
# In open mode, the default, the server refuses this address: set AUTH_MODE=supabase.
ENV HOST=0.0.0.0 PORT=9999
EXPOSE 9999
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["healthcheck"]
ENTRYPOINT ["image-gallery"]
CMD ["serve"]
