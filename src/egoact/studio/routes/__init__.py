"""The routes of the studio's HTTP interface, as `docs/studio-http.md` lists them; each module gives a router."""
