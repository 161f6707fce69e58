"""Tests the pipeline against a real server and real workers: exactly one image for each task.

    exactly_once.py PROGRAM [DATABASE_URL]

PROGRAM is the server. 100 generations are each sent twice, with another upload's URL. The server is away at first, and the workers
are killed twice. After each kill, everything they took is delivered again, as a broker does that got no acknowledgement.

Workers load this module as their app, because it sets the broker: Celery's filesystem transport, which needs no service.
"""

import hashlib
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

from tasks import app, finalize_conversation_task

TASKS = 100
SECONDS = 120
HERE = pathlib.Path(__file__).resolve().parent


def use_broker(folder):
    folder = pathlib.Path(folder)
    app.conf.update(
        broker_url="filesystem://",
        broker_transport_options={
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "processed_folder": str(folder / "taken"),
            "store_processed": True,
            "control_folder": str(folder / "control"),
            "polling_interval": 0.02,
        },
    )


if "BROKER_FOLDER" in os.environ:
    use_broker(os.environ["BROKER_FOLDER"])


def waiting(folder):
    """The messages of tasks; the others are of Celery's remote control."""
    return sorted((folder / "queue").glob("*.celery.msg"))


def deliver_again(folder):
    for message in (folder / "taken").glob("*.celery.msg"):
        message.rename(folder / "queue" / message.name)


def wait_until(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {SECONDS} s: {what}")
        time.sleep(0.05)


class Gallery:
    def __init__(self, program, database_url, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/graphql"
        self.token = secrets.token_hex(32)
        self.program = program
        self.environment = {
            "DATABASE_URL": database_url or f"sqlite://{folder}/gallery.db?mode=rwc",
            "AUTO_MIGRATE": "true",
            "PORT": str(port),
            "AUTH_MODE": "jwt",
            "JWT_SECRET": secrets.token_hex(32),
            "SERVICE_TOKENS": f"pipeline:{hashlib.sha256(self.token.encode()).hexdigest()}",
            "RUST_LOG": "warn",
        }

    def start(self):
        return subprocess.Popen([self.program, "serve"], env=self.environment)

    def run(self, query):
        request = urllib.request.Request(
            self.url,
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            reply = json.load(response)
        assert "errors" not in reply, reply
        return reply["data"]

    def count(self):
        try:
            return self.run("{ images { totalCount } }")["images"]["totalCount"]
        except urllib.error.URLError:
            return 0


def start_workers(gallery, folder):
    command = [sys.executable, "-m", "celery", "--app", "exactly_once", "worker", "--concurrency", "2"]
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    environment = {
        **os.environ,
        "BROKER_FOLDER": str(folder),
        "GALLERY_URL": gallery.url,
        "GALLERY_TOKEN": gallery.token,
        "NO_PROXY": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
        # A CI machine may run as root.
        "C_FORCE_ROOT": "1",
    }
    return subprocess.Popen(command + options, cwd=HERE, env=environment, start_new_session=True)


def kill(workers):
    os.killpg(workers.pid, signal.SIGKILL)
    workers.wait()


def send_each_twice():
    urls = {}
    for number in range(TASKS):
        urls[f"g-{number}"] = [
            f"https://res.cloudinary.com/demo/image/upload/v1/{uuid.uuid4()}.png" for _ in range(2)
        ]
    for upload in range(2):
        for task_id, uploads in urls.items():
            finalize_conversation_task.delay(
                {
                    "user_id": f"user-{int(task_id[2:]) % 7}",
                    "session_id": "s-1",
                    "message_id": f"m-{task_id}",
                    "task_id": task_id,
                    "image_url": uploads[upload],
                    "original_prompt": f"picture {task_id}",
                    # As the application labels it.
                    "intent": "image_generation",
                    "metadata": {"model": "flux"},
                }
            )
    return urls


def check(gallery, urls):
    query = "{ images(first: 100) { totalCount nodes { imageUrl userId intentLabel metadata } } galleryEvents(first: 100) { nodes { type } pageInfo { hasNextPage } } }"
    found = gallery.run(query)
    images = found["images"]["nodes"]
    assert found["images"]["totalCount"] == TASKS, found["images"]["totalCount"]
    assert {image["metadata"]["task_id"] for image in images} == set(urls)
    for image in images:
        task_id = image["metadata"]["task_id"]
        assert image["imageUrl"] in urls[task_id], image
        assert image["intentLabel"] == "image_generation", image
        assert image["metadata"] == {
            "model": "flux",
            "task_id": task_id,
            "session_id": "s-1",
            "message_id": f"m-{task_id}",
            "created_via": "pipeline",
        }, image
    events = [event["type"] for event in found["galleryEvents"]["nodes"]]
    assert events == ["CREATED"] * TASKS and not found["galleryEvents"]["pageInfo"]["hasNextPage"], events


def test(program, database_url, folder):
    for name in ("queue", "taken", "control"):
        (folder / name).mkdir()
    use_broker(folder)
    gallery = Gallery(program, database_url, folder)
    urls = send_each_twice()
    server, workers = None, start_workers(gallery, folder)
    try:
        wait_until(lambda: len(waiting(folder)) < 2 * TASKS, "the workers begin")
        server = gallery.start()
        for stored in (TASKS // 5, TASKS * 3 // 5):
            wait_until(lambda: gallery.count() >= stored, f"{stored} images")
            kill(workers)
            deliver_again(folder)
            print(f"killed the workers at {gallery.count()} images, {len(waiting(folder))} messages left", flush=True)
            workers = start_workers(gallery, folder)
        wait_until(lambda: gallery.count() >= TASKS and not waiting(folder), "all images")
        # A warm shutdown: the workers complete what they took.
        workers.terminate()
        workers.wait(SECONDS)
        assert not waiting(folder)
        check(gallery, urls)
    finally:
        if workers.poll() is None:
            kill(workers)
        if server:
            server.terminate()
            server.wait(SECONDS)
    print(f"{TASKS} tasks, each sent twice: {TASKS} images")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        test(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, pathlib.Path(directory))
