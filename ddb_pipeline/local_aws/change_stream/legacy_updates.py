"""`AttributeUpdates`, the older way to ask for an update, as an update expression.

moto turns booleans and binary into text when it applies them itself.
"""

from __future__ import annotations

from typing import Any

from ddb_pipeline.local_aws.change_stream.attribute_values import AttributeValue, InvalidValueError, normalised

_CLAUSES = {
    "PUT": ("SET", "{name} = {value}"),
    "ADD": ("ADD", "{name} {value}"),
    "DELETE": ("DELETE", "{name} {value}"),
}


def as_update_expression(
    attribute_updates: dict[str, dict[str, Any]],
) -> tuple[str, dict[str, str], dict[str, AttributeValue]]:
    """Return update expression, attribute names and attribute values that ask for the same.

    Source of the actions: amazondynamodb/latest/developerguide/LegacyConditionalParameters.AttributeUpdates.html.

    Raises:
        InvalidValueError: An action is none that exists, or lacks its value.
    """
    clauses: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    values: dict[str, AttributeValue] = {}
    for number, (attribute, update) in enumerate(attribute_updates.items()):
        name, value = f"#attribute{number}", f":value{number}"
        names[name] = attribute
        action = update.get("Action", "PUT")
        if action == "DELETE" and "Value" not in update:
            clauses.setdefault("REMOVE", []).append(name)
            continue
        if action not in _CLAUSES or "Value" not in update:
            raise InvalidValueError(
                f"One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is "
                f"specified; found action {action} for attribute {attribute}"
            )
        keyword, form = _CLAUSES[action]
        clauses.setdefault(keyword, []).append(form.format(name=name, value=value))
        values[value] = normalised(update["Value"])
    return " ".join(f"{keyword} {', '.join(parts)}" for keyword, parts in clauses.items()), names, values
