"""The room *Data*: drop a file, see what was understood and which rows are bad."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from pydantic import Field

from sibao.core.errors import Refused
from sibao.workflows._schema_base import Json
from sibao.workflows._schema_records import Amount, BadRow, Duplicates

router = APIRouter(prefix="/api", tags=["rooms"])
MOST_BYTES = 64 << 20
TOKENIZER = "mini"
"""Whose tokens are counted; it ships in the package."""


class DataValue(Json):
    """A value as text."""

    text: str = Field(description="Its beginning.")
    left_out: int = Field(description="Characters of it that are not shown.")


class DataRow(Json):
    """One row as it was read."""

    line: int = Field(description="Line it begins on; its number, in Parquet.")
    kind: str = Field(description="Its published form; empty where it has none that is known.")
    values: dict[str, DataValue] = Field(description="Its fields.")


class DataField(Json):
    """A field of the rows looked at."""

    name: str = Field(description="Its name.")
    rows: int = Field(description="Rows that have it.")
    types: list[str] = Field(description="text, number, boolean, list, object or null.")


class DataLook(Amount):
    """What a file was understood to be."""

    name: str = Field(description="The file's name, without folders.")
    form: str = Field(description="jsonl, json, csv, tsv, txt or parquet.")
    compression: str = Field(description="gz, zst, or empty.")
    size: int = Field(description="Bytes as they came.")
    tokenizer: str | None = Field(description="Whose tokens were counted; null for nobody's.")
    rows: int = Field(description="Rows that could be read.")
    kinds: dict[str, int] = Field(description="Rows by published form.")
    languages: dict[str, Amount] = Field(description="Amounts by language: zh, en, other.")
    duplicates: Duplicates = Field(description="Duplicates; nothing was removed.")
    bad_rows: int = Field(description="Rows that could not be read.")
    bad: list[BadRow] = Field(description="The first hundred of them: line, field and why.")
    looked_at: int = Field(description="Rows whose fields were counted.")
    fields: list[DataField] = Field(description="Their fields, the commonest first.")
    sample: list[DataRow] = Field(description="The first rows.")
    seconds: float = Field(description="Time that it took.")


@router.post("/data", summary="Look at a data file")
def look_at(file: UploadFile, tokens: Annotated[bool, Form()] = True) -> DataLook:
    """Rows by form and language, fields, tokens, duplicates, and every bad row by line and field.

    The file is put aside in a temporary folder under another name, and removed before the answer."""
    from sibao.workflows.data_look import look

    if file.size is not None and file.size > MOST_BYTES:
        hint = "sibao data inspect FILE looks at files of any size"
        raise Refused(413, f"the file has {file.size:,} bytes, at most {MOST_BYTES:,} are looked at here", hint=hint)
    found = look(file.file, file.filename or "", _tokenizer() if tokens else None)
    said: dict[str, Any] = found.report.to_json()
    kept = ("rows", "kinds", "languages", "duplicates", "bad_rows", "bad", "seconds", *Amount.model_fields)
    return DataLook(
        **{key: said[key] for key in kept}, name=found.name, form=found.form, compression=found.compression,
        size=found.bytes, tokenizer=TOKENIZER if tokens else None, looked_at=found.looked_at,
        fields=[DataField(name=f.name, rows=f.rows, types=list(f.types)) for f in found.fields],
        sample=[DataRow(line=r.line, kind=r.kind, values=_values(r.values)) for r in found.sample],
    )  # fmt: skip


def _values(values: Any) -> dict[str, DataValue]:
    return {name: DataValue(text=value.text, left_out=value.left_out) for name, value in values.items()}


def _tokenizer() -> Any:
    from sibao.workflows.tokenizer import load_tokenizer

    return load_tokenizer(TOKENIZER)
