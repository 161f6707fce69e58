"""Serves the REST calls on a free port of the loopback interface, and prints the port."""

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


class Command(BaseCommand):
    def handle(self, **options):
        with Server(("127.0.0.1", 0), Silent) as server:
            server.set_app(get_wsgi_application())
            self.stdout.write(str(server.server_port))
            self.stdout.flush()
            server.serve_forever()
