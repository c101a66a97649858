"""Parts of `ddb-pipeline erase`.

`keys` says which item, `rows` takes it out of an object, `places` knows where, `report` says what was found.
"""
