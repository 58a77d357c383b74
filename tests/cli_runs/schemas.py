"""The published schemas of what the command line prints."""

import json
from importlib import resources

import jsonschema


def valid(data, schema):
    """`data`, when it is as the schema says."""
    published = json.loads(resources.files("stackelberg.cli").joinpath("schema", f"{schema}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(data, published, cls=jsonschema.Draft202012Validator)
    return data
