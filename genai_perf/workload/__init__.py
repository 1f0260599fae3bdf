"""What to send: prompts from the shipped text or from files, as encoded requests.

`build.build` strings it together: `synthetic` or `files` give turns, an endpoint writes their bodies,
`inputs_file` keeps them. `tokenizer` counts. Everything random comes from `--random-seed`, each kind of
draw from a stream of its own, so that one more kind does not shift the others.
"""
