# One image for every role: `docker compose` names the role as the command.
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv /opt/beaas \
 && /opt/beaas/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY billing billing
COPY connectors connectors
COPY migrations migrations
COPY schemas schemas
COPY streams streams
# Compiled beside what it runs with: mypyc reads the types of our packages' packages.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && HATCH_BUILD_HOOK_ENABLE_MYPYC=1 /opt/build/bin/python -m hatchling build -t wheel \
 && /opt/beaas/bin/pip install --no-cache-dir --no-deps dist/beaas-*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/beaas beaas
COPY --from=build /opt/beaas /opt/beaas
ENV PATH=/opt/beaas/bin:$PATH PYTHONUNBUFFERED=1 BEAAS_DATA_DIR=/var/lib/beaas BEAAS_METRICS_BIND=0.0.0.0:9100
USER beaas
WORKDIR /var/lib/beaas
VOLUME /var/lib/beaas
ENTRYPOINT ["beaas"]
CMD ["--help"]
