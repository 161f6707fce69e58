"""For each line of the standard input, a number, makes so many changes by the ways that Django has for them.

The answer is one line of JSON, once all of them are committed: for each, the event that it should make and the image.
"""

import itertools
import json
import random
import sys

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from gallery.models import Image


class Command(BaseCommand):
    def handle(self, **options):
        self.random = random.Random(1)
        self.numbers = itertools.count()
        for line in sys.stdin:
            changes = []
            while len(changes) < int(line):
                way = self.random.choice([self.create, self.create, self.bulk, self.update, self.trash, self.delete])
                changes += way()
            self.stdout.write(json.dumps(changes))
            self.stdout.flush()

    def new(self):
        number = next(self.numbers)
        return Image(
            user_id=f"user-{number % 5}",
            image_url=f"https://res.cloudinary.com/demo/image/upload/{number}.png",
            refined_prompt=f"number {number}",
            intent="Generate",
            metadata={"number": number},
        )

    def any(self, **condition):
        images = list(Image.objects.filter(**condition).order_by("image_id")[:50])
        return self.random.choice(images) if images else None

    def create(self):
        image = self.new()
        image.save()
        return [("CREATED", str(image.image_id))]

    def bulk(self):
        images = Image.objects.bulk_create([self.new() for _ in range(3)])
        return [("CREATED", str(image.image_id)) for image in images]

    def update(self):
        image = self.any()
        if image is None:
            return []
        image.refined_prompt = f"changed {next(self.numbers)}"
        image.save()
        # Changes only the timestamp, so there is no event.
        image.save()
        return [("UPDATED", str(image.image_id))]

    def trash(self):
        """Moves all of one user's images to the trash, or one back from it, together with a change of it."""
        trashed = self.any(deleted_at__isnull=False)
        if trashed is not None:
            with transaction.atomic():
                Image.objects.filter(pk=trashed.pk).update(deleted_at=None)
                Image.objects.filter(pk=trashed.pk).update(metadata={"restored": next(self.numbers)})
            return [("RESTORED", str(trashed.pk)), ("UPDATED", str(trashed.pk))]
        image = self.any()
        if image is None:
            return []
        images = Image.objects.filter(user_id=image.user_id, deleted_at__isnull=True)
        ids = [str(image.pk) for image in images]
        images.update(deleted_at=timezone.now())
        return [("SOFT_DELETED", image_id) for image_id in ids]

    def delete(self):
        image = self.any()
        if image is None:
            return []
        image_id = str(image.pk)
        image.delete()
        return [("PURGED", image_id)]
