"""A slot, its exchange and the endpoint's reading of it, as the record that the journal keeps."""

from genai_perf.types import Answer, Exchange, RequestRecord, Slot, Stamp


def make(slot: Slot, due_ns: int | None, exchange: Exchange, answer: Answer) -> RequestRecord:
    """`due_ns` counts from the run's origin, unlike the slot's own."""
    request = exchange.request
    at_ns, read_ns, after_ns = exchange.at_ns, exchange.read_ns, exchange.after_ns
    reads = answer.content_reads
    content_ns = [at_ns[read] for read in reads]
    slack_ns = [0] * len(reads)
    # A kernel stamp is exact unless the read went on after the event; ours says "since the last look".
    unsure = answer.content_shared if exchange.stamp is Stamp.KERNEL else range(len(reads))
    for position in unsure:
        slack_ns[position] = max(0, content_ns[position] - after_ns[reads[position]])
    return RequestRecord(
        index=slot.index,
        input_index=request.index,
        conversation=request.conversation,
        turn=request.turn,
        model=request.model,
        traffic_class=request.traffic_class,
        url=exchange.url,
        phase=slot.phase,
        due_ns=due_ns,
        start_ns=exchange.start_ns,
        sent_ns=exchange.sent_ns,
        end_ns=exchange.end_ns,
        dns_ns=exchange.dns_ns,
        connect_ns=exchange.connect_ns,
        tls_ns=exchange.tls_ns,
        headers_ns=exchange.headers_ns or None,
        first_byte_ns=at_ns[0] if at_ns else None,
        status=exchange.status,
        stamp=exchange.stamp,
        content_ns=content_ns,
        content_chars=list(map(len, answer.content)),
        content_lag_ns=[read_ns[read] - at_ns[read] for read in reads],
        content_slack_ns=slack_ns,
        reasoning_ns=[at_ns[read] for read in answer.reasoning_reads],
        reasoning_chars=list(map(len, answer.reasoning)),
        tool_ns=[at_ns[read] for read in answer.tool_reads],
        tool_chars=list(map(len, answer.tool)),
        text="".join(answer.content),
        reasoning_text="".join(answer.reasoning),
        tool_text="".join(answer.tool),
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        input_tokens=request.input_tokens,
        images=request.images,
        request_bytes=sum(map(len, request.messages)) if request.messages else len(request.body),
        response_bytes=sum(map(len, exchange.data)),
        error=answer.error,
    )
