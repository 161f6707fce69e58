"""The gallery as the Django service has it. It has never heard of `original_prompt` or of a trail."""

import uuid

from django.db import models


class Image(models.Model):
    image_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.CharField(max_length=255)
    image_url = models.URLField(max_length=1024)
    refined_prompt = models.TextField(null=True, blank=True)
    intent = models.CharField(max_length=100, null=True, blank=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "image_gallery"
