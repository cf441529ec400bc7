# The course in a container:
#   docker build -t hvqlib .
#   docker run --init --rm -p 127.0.0.1:8888:8888 \
#     -v hvqlib-notebooks:/home/reader/hvqlib/notebooks -v hvqlib-data:/home/reader/hvqlib/data hvqlib
# then open the address on 127.0.0.1 that it prints, with its token. The volumes keep what you change; remove them to
# begin anew.
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 reader
USER reader
RUN mkdir /home/reader/hvqlib
WORKDIR /home/reader/hvqlib
ENV PIP_NO_CACHE_DIR=1 OMP_WAIT_POLICY=PASSIVE
# The packages first, so that a change of a notebook installs nothing again.
COPY --chown=reader:reader pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=reader:reader hvqlib hvqlib
RUN python -m hvqlib.course setup --light
COPY --chown=reader:reader . .
RUN .venv/bin/hvq data foundry
EXPOSE 8888
# A published port reaches the container from outside of it only if the server listens on all its addresses.
CMD [".venv/bin/python", "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=0.0.0.0", "--ServerApp.port=8888", \
     "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
