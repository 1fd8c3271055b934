"""The web page: files that were built beforehand (``web/``), served under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Assets(StaticFiles):
    """Files whose names hold a hash of what they say, so that they never change."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """With headers."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"})
        return response


def install(app: FastAPI) -> None:
    """Put the page at ``/``."""

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        file = FOLDER / "index.html"
        if not file.exists():
            return PlainTextResponse("The web page was not built: run `make web`.", status_code=404)
        return FileResponse(file, headers=HEADERS | {"Cache-Control": "no-cache"})

    if (FOLDER / "assets").is_dir():
        app.mount("/assets", Assets(directory=FOLDER / "assets"), name="assets")
