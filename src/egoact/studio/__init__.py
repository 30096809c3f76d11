"""A project folder in the browser: recordings, labels, jobs, proposals and results, served over HTTP.

Imports all floors below, and runs commands as processes, by name. Offers `build_application` and `serve`; its front end
is built into `web/`. What server and front end say to each other is in `schemas/`. Needs the extra `studio`.
"""
