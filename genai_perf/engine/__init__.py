"""The run: joins what to send with when, sends on time, keeps the records."""
