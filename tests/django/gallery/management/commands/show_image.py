"""Prints what Django sees of an image."""

import json

from django.core.management.base import BaseCommand

from gallery.models import Image


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("image_id")

    def handle(self, *, image_id, **options):
        image = Image.objects.get(image_id=image_id)
        self.stdout.write(f"{image.user_id} {json.dumps(image.metadata)}")
