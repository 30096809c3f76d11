"""The whole of it: the built-in kitchen's story on the terminal, or a project in the browser.

`demo` calls the room `demo`, whose steps are other commands that it runs by name; `studio` starts the server of the
room `studio`, which no other command imports. Offers a module a command.
"""
