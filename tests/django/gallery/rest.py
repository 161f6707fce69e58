"""The calls of the application that is replaced, as its front end uses them."""

import json
import re
import uuid

from django.http import JsonResponse
from django.urls import re_path
from django.utils import timezone

from gallery.models import Image

IN_URL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def done(message, result, status=200):
    return JsonResponse({"code": 1000, "message": message, "result": result}, status=status)


def refused(message, status=400):
    return JsonResponse({"code": 9999, "message": message, "result": None}, status=status)


def time(moment):
    return moment and moment.isoformat().replace("+00:00", "Z")


def item(image):
    return {
        "image_id": str(image.image_id),
        "image_url": image.image_url,
        "refined_prompt": image.refined_prompt,
        "created_at": time(image.created_at),
        "is_deleted": image.deleted_at is not None,
    }


def detail(image):
    return item(image) | {
        "user_id": image.user_id,
        "intent": image.intent,
        "metadata": image.metadata,
        "updated_at": time(image.updated_at),
        "deleted_at": time(image.deleted_at),
    }


def images(request):
    if request.method == "POST":
        return create(json.loads(request.body))
    return listed(request, "-created_at", deleted_at__isnull=True)


def deleted(request):
    return listed(request, "-deleted_at", deleted_at__isnull=False)


def listed(request, order, **condition):
    user_id = request.GET.get("user_id")
    if not user_id:
        return refused("user_id is required")
    found = Image.objects.filter(user_id=user_id, **condition).order_by(order, "-image_id")
    return done("ok", [item(image) for image in found])


def count(request):
    found = Image.objects.filter(user_id=request.GET["user_id"], deleted_at__isnull=True)
    return done("ok", {"count": found.count()})


def create(fields):
    found = IN_URL.search(fields["image_url"])
    values = {name: fields.get(name) for name in ("user_id", "image_url", "refined_prompt", "intent")}
    values["metadata"] = fields.get("metadata", {})
    image, created = Image.objects.get_or_create(
        image_id=uuid.UUID(found.group()) if found else uuid.uuid4(), defaults=values
    )
    image.refresh_from_db()
    return done("ok", detail(image), 201 if created else 200)


def one(request, image_id):
    image = Image.objects.filter(pk=image_id).first()
    if image is None:
        return refused("Image not found", 404)
    if request.method == "DELETE":
        image.deleted_at = timezone.now()
        image.save()
    return done("ok", detail(image))


def restore(request, image_id):
    image = Image.objects.filter(pk=image_id).first()
    if image is None:
        return refused("Image not found", 404)
    if image.deleted_at is None:
        return refused("Image is not deleted")
    image.deleted_at = None
    image.save()
    return done("ok", detail(image))


def permanent(request, image_id):
    count, _ = Image.objects.filter(pk=image_id).delete()
    if not count:
        return refused("Image not found", 404)
    return done("ok", {"image_id": str(image_id)})


ID = r"(?P<image_id>[0-9a-f-]{36})"
urlpatterns = [
    re_path(r"^v1/gallery/?$", images),
    re_path(r"^v1/gallery/deleted/?$", deleted),
    re_path(r"^v1/gallery/count/?$", count),
    re_path(rf"^v1/gallery/{ID}/?$", one),
    re_path(rf"^v1/gallery/{ID}/restore/?$", restore),
    re_path(rf"^v1/gallery/{ID}/permanent/?$", permanent),
]
