# egoact for exported runs on a Jetson with JetPack 6.1 (L4T 36.4, TensorRT 10.3). From the repository's root:
#   pip wheel --no-deps --wheel-dir dist .
#   docker build -f docker/jetson.Dockerfile -t egoact-jetson .
#   docker run --rm --runtime nvidia -v "$PWD:/data" egoact-jetson live --run exported --source new.mp4 --device cuda
# ONNX Runtime's own wheels for this processor know no GPU. Put one that does (onnxruntime_gpu-*.whl, made for this JetPack
# and Python) into dist, and it takes their place; without it egoact computes on the processor.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0
ARG EXTRAS=
ARG WHEELS=/opt/wheels
ENV XDG_CACHE_HOME=/tmp/cache PATH=/opt/egoact/bin:/usr/src/tensorrt/bin:$PATH
RUN apt-get update && apt-get install -y --no-install-recommends python3.11-venv && rm -rf /var/lib/apt/lists/*
RUN python3.11 -m venv /opt/egoact
COPY constraints.txt dist/*.whl $WHEELS/
RUN pip install --no-cache-dir -c "$WHEELS/constraints.txt" "$(echo "$WHEELS"/egoact-*.whl)$EXTRAS"
RUN for gpu in "$WHEELS"/onnxruntime_gpu-*.whl; do \
      [ ! -e "$gpu" ] || { pip uninstall -y onnxruntime && pip install --no-cache-dir --no-deps "$gpu"; }; \
    done
RUN useradd --create-home --groups video egoact
USER egoact
WORKDIR /data
ENTRYPOINT ["egoact"]
CMD ["--help"]
