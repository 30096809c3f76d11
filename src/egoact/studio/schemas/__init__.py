"""What the studio's server and its front end say to each other, by subject.

`docs/studio-http.md` is the same for people. Times are seconds from a recording's first picture, intervals half-open.
Requests refuse fields that are not theirs.
"""
