"""An application for gunicorn, or any other WSGI server, that knows nothing of Ring3:

ring3ctl run --url http://+:8080/orders/ -- gunicorn --chdir etc/examples gunicorn_app:answer
"""
import os


def answer(environ, start):
    body = environ["wsgi.input"].read()
    text = f"{os.getpid()} {environ['SCRIPT_NAME']}{environ['PATH_INFO']}"
    start("200 OK", [("Content-Type", "text/plain")])
    return [(text + (f" {len(body)} bytes" if body else "") + "\n").encode()]
