"""As small as a Django project can be that has one table in Postgres."""

import os
from urllib.parse import unquote, urlsplit

_database = urlsplit(os.environ["DATABASE_URL"])

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(_database.path.lstrip("/")),
        "USER": unquote(_database.username),
        "PASSWORD": unquote(_database.password),
        "HOST": _database.hostname,
        "PORT": _database.port,
    }
}
INSTALLED_APPS = ["gallery"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "of a test"
USE_TZ = True
ROOT_URLCONF = "gallery.rest"
ALLOWED_HOSTS = ["127.0.0.1"]
