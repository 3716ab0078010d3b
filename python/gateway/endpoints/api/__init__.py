"""The operator API under `/api/v1`: one file a noun, `router` puts them together.

`access` says who may do what, `route` turns errors into answers, `body` reads what was sent, and `describe` documents.
"""
