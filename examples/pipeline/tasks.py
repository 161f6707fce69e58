"""The last task of a conversation that generated an image: store the image in the gallery, exactly once."""

import functools
import os

from celery import Celery

from gallery import Gallery, Unavailable

app = Celery("pipeline", broker=os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(
    # Acknowledge a message after its task, so that a worker that dies in the middle loses nothing: the broker delivers
    # the message again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
)


@functools.cache
def gallery():
    # Not at import: a connection must not be shared by the worker's processes.
    return Gallery.from_environment()


# The intents of the gallery. Other labels, such as `image_generation`, are stored as they are (see `INTENT_ALIASES`).
INTENTS = {"GENERATE", "EDIT", "ENHANCE"}


def intent_of(conversation):
    intent = conversation.get("intent") or "GENERATE"
    if intent.upper() in INTENTS:
        return {"intent": intent.upper()}
    return {"intentLabel": intent}


@app.task(bind=True, max_retries=12)
def finalize_conversation_task(self, conversation):
    """May run any number of times: the gallery keeps one image for each `task_id`.

    `conversation` has `user_id`, `session_id`, `message_id`, `task_id` (of the generation), `image_url`, and optionally
    `original_prompt`, `refined_prompt`, `intent` and `metadata`.
    """
    image = {
        "userId": conversation["user_id"],
        "imageUrl": conversation["image_url"],
        "originalPrompt": conversation.get("original_prompt"),
        "refinedPrompt": conversation.get("refined_prompt"),
        **intent_of(conversation),
        "metadata": {
            **(conversation.get("metadata") or {}),
            "task_id": conversation["task_id"],
            "session_id": conversation["session_id"],
            "message_id": conversation["message_id"],
            "created_via": "pipeline",
        },
        # Each upload has another URL, so the URL does not show that it is the same image. The task does.
        "onceKey": f"task:{conversation['task_id']}",
    }
    try:
        stored, _created = gallery().save_image(image)
    except Unavailable as unavailable:
        # 1, 2, 4 … seconds, at most 5 minutes.
        delay = unavailable.retry_after or min(2**self.request.retries, 300)
        raise self.retry(exc=unavailable, countdown=delay)
    return stored["id"]
