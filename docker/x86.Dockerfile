# egoact for exported runs. From the repository's root:
#   pip wheel --no-deps --wheel-dir dist .
#   docker build -f docker/x86.Dockerfile -t egoact .
#   docker run --rm -v "$PWD:/data" egoact live --run exported --source new.mp4 --jsonl -
# --build-arg EXTRAS='[train]' brings what trains.
FROM python:3.12-slim
ARG EXTRAS=
ARG WHEELS=/opt/wheels
ENV XDG_CACHE_HOME=/tmp/cache
COPY constraints.txt dist/egoact-*.whl $WHEELS/
RUN pip install --no-cache-dir -c "$WHEELS/constraints.txt" "$(echo "$WHEELS"/egoact-*.whl)$EXTRAS"
RUN useradd --create-home egoact
USER egoact
WORKDIR /data
ENTRYPOINT ["egoact"]
CMD ["--help"]
