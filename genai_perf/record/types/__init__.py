"""GenAI-Perf's import path of the record classes: a module each, called after its record's tag.

They are no files: `genai_perf.analyze.records` makes them from the metrics catalog when they are imported.
"""

from genai_perf.analyze.records import serve_record_modules

serve_record_modules()
