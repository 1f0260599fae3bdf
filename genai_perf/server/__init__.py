"""An OpenAI-compatible server with a latency model, and a log of the truth about every token it sent.

`settings` says what it can be told, `latency` how long it takes and `decoder` runs that model; `protocol`
speaks HTTP, `openai` reads what is asked, `answers` writes what is answered; `app` joins them and `run`
starts it all. `process.EmbeddedServer` runs one as a process of its own.
"""
