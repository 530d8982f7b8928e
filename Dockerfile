# waymark serve in a container: the light core only, no torch, no build tools.
#
#   docker build -t waymark .
#   export WAYMARK_TOKEN=$(openssl rand -hex 16); echo $WAYMARK_TOKEN
#   docker run --rm -p 8000:8000 -e WAYMARK_TOKEN --read-only --tmpfs /tmp --memory 3g \
#       --stop-timeout 60 --init waymark
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements/tools.txt requirements/core.txt requirements/
RUN python -m venv /opt/waymark \
    && /opt/waymark/bin/pip install --no-cache-dir --require-hashes -r requirements/core.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/waymark/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
COPY --from=build /opt/waymark /opt/waymark
RUN useradd --system --no-create-home waymark
USER waymark
ENV PATH=/opt/waymark/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Without WAYMARK_TOKEN it refuses to start: --host 0.0.0.0 needs one, or --no-auth.
ENTRYPOINT ["waymark", "serve", "--host", "0.0.0.0"]
