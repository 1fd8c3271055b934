"""The forms of writing that the page's Tasks room offers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from sibao.tasks.forms.base import form_names, load_form

router = APIRouter(prefix="/api/forms", tags=["tasks"])


class FormInfo(BaseModel):
    """One form: the value of ``form`` and those of ``style`` in ``/v1/tasks/generate``."""

    name: str
    styles: list[str]


class Forms(BaseModel):
    """All forms by name."""

    forms: list[FormInfo]


@router.get("", summary="List the forms of writing")
def get_forms() -> Forms:
    """Every form with its styles."""
    return Forms(forms=[FormInfo(name=name, styles=list(load_form(name).styles)) for name in form_names()])
