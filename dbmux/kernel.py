# cython: boundscheck=False, wraparound=False, annotation_typing=False, language_level=3
"""The compiled kernel: where a reply ends, found by walking packet headers.

Chunks of a server's reply come in, in any cut; out goes whether the reply is whole and how far it may be sent on. Rows
are never decoded. The same source runs interpreted and compiled (kernel.pxd types it); `COMPILED` tells which. The
grammar is that of the manual pages "COM_QUERY Response", "COM_STMT_PREPARE Response" and "Text Resultset".
"""

COMPILED = not __file__.endswith(".py")

# What the next packet is. The first six are also the shapes of dbmux.wire.commands.Shape.
AT_END, AT_RESULT, AT_SIMPLE, AT_PREPARED, AT_ROWS, AT_TEXT = 0, 1, 2, 3, 4, 5
AT_COLUMNS, AT_COLUMNS_EOF = 6, 7
AT_PARAMETERS, AT_PARAMETERS_EOF, AT_PREPARED_COLUMNS, AT_PREPARED_EOF = 8, 9, 10, 11
AT_FILE = 12

# What scan() answers; for callers these stand at the class, because compiled they are C integers here.
MORE, DONE, INFILE, REWRITE, BROKEN, TOO_MANY = 0, 1, 2, 3, 4, 5

MORE_RESULTS, CURSOR_EXISTS, OUT_PARAMETERS, STATE_CHANGED = 0x0008, 0x0040, 0x1000, 0x4000

# The rows of a cursor, or of COM_FIELD_LIST, are no result's: counted from here, they never look like one's.
UNCOUNTED = -(1 << 62)

# How MySQL's words for an UPDATE begin, if it speaks English; a number follows.
MATCHED, DIGITS = b"Rows matched: ", 18

# As much of a packet as is ever looked at: header, first byte, two length-encoded integers, status, warnings; of the
# words behind them the length, and what an UPDATE matched.
PREFIX = 4 + 1 + 9 + 9 + 4 + 1 + len(MATCHED) + DIGITS


class ReplyScanner:
    """Finds the end of one reply after another on one connection.

    `begin` tells what was asked; `scan` is given the reply's bytes as they arrive. Bytes from `consumed` on were not
    looked at: the caller holds them and puts them before the next chunk (fewer than PREFIX of them, but for REWRITE).
    """

    MORE = 0
    DONE = 1
    INFILE = 2
    REWRITE = 3
    BROKEN = 4
    TOO_MANY = 5

    def __init__(self, deprecate_eof: int, rewrite_state: int) -> None:
        self.deprecate_eof = deprecate_eof
        self.rewrite_state = rewrite_state
        self.reads_matched = 0
        self.phase = AT_END
        self.columns = 0
        self.columns_after_parameters = 0
        self.remaining = 0
        self.continued = 0
        self.sequence = 0
        self.status = 2
        self.before = 2
        self.warnings = 0
        self.error = 0
        self.rows = -1
        self.has_rows = 0
        self.matched = -1
        self.row_limit = -2
        self.affected = 0
        self.insert_id = 0
        self.opens_cursor = 0
        self.marks = 0
        self.more_warnings = 0
        self.width = 0
        self.out_parameters = 0
        self.consumed = 0

    def begin(self, shape: int, sequence: int) -> None:
        """A command of this shape was sent; the reply's first packet will be numbered `sequence`.

        `before` is from then on the status as it was told before. Who asked for a cursor sets `opens_cursor` then:
        inside of routines servers set its flag on other results, too. Who has flags of his own to tell sets `marks`,
        who has warnings `more_warnings`.
        """
        self.opens_cursor = 0
        self.marks = 0
        self.more_warnings = 0
        self.out_parameters = 0
        self.phase = shape
        self.before = self.status
        self.sequence = sequence
        self.remaining = 0
        self.continued = 0
        self.error = 0
        self.warnings = 0
        self.rows = UNCOUNTED if shape == AT_ROWS else -1
        self.has_rows = shape == AT_ROWS
        self.matched = -1
        self.affected = 0
        self.insert_id = 0

    def inside_packet(self) -> bool:
        """Whether what was consumed ends in the middle of a packet."""
        return self.remaining != 0 or self.continued != 0

    def scan(self, chunk: bytes) -> int:
        """Walk over `chunk` and set `consumed`.

        MORE: the reply goes on. DONE: it ends at `consumed`; `status`, `warnings`, `error` (the number of an ERR
        packet, or 0), `rows` (of the last result that has some, negative when there was none), `has_rows` (whether rows
        were the very last that came), `matched` (if `reads_matched`: the rows that an UPDATE found, and no result came
        behind it; else -1), `width` (the columns of the last result), `affected` and `insert_id` describe it,
        `sequence` is the number that a further packet would have. INFILE: the server waits for a file. REWRITE: at
        `consumed` starts an OK packet that reports session state, which has to be looked at, or one at an end of
        columns or rows that is to have `marks`, or any that may have to tell `more_warnings`, as the last one does.
        BROKEN: what is at `consumed` is not a reply. TOO_MANY: at `consumed` starts a row too many; how many a result
        may have is `row_limit`, which stays until it is set again, and -2 for any number.
        """
        src = chunk
        size = len(chunk)
        position = self.remaining
        if position > size:
            self.remaining = position - size
            self.consumed = size
            return MORE
        self.remaining = 0
        if self.phase == AT_FILE:
            self.consumed = position
            return INFILE
        verdict = MORE
        while self.phase != AT_END:
            if size - position < 4:
                break
            length = src[position] | src[position + 1] << 8 | src[position + 2] << 16
            if src[position + 3] != self.sequence:
                verdict = BROKEN
                break
            if self.continued:
                self.continued = length == 0xFFFFFF
            elif length and size - position < 5:
                break
            else:
                first = src[position + 4] if length else 0
                if self.phase == AT_ROWS and first < 0xFE and length:
                    if self.rows == self.row_limit:
                        verdict = TOO_MANY
                        break
                    self.continued = length == 0xFFFFFF
                    self.rows += 1
                elif self.phase == AT_COLUMNS and first < 0xFE and length:
                    self.continued = length == 0xFFFFFF
                    self.columns -= 1
                    if self.columns == 0:
                        self.phase = AT_ROWS if self.deprecate_eof else AT_COLUMNS_EOF
                else:
                    wanted = length + 4 if length + 4 < PREFIX else PREFIX
                    if size - position < wanted:
                        break
                    verdict = self._step(chunk, position + 4, position + wanted, length)
                    if verdict == REWRITE or verdict == BROKEN or verdict == TOO_MANY:
                        break
            self.sequence = (self.sequence + 1) & 0xFF
            position += 4 + length
            if position > size:
                self.remaining = position - size
                position = size
                break
            if verdict == INFILE:
                break
        self.consumed = position
        if verdict == INFILE and self.remaining:
            return MORE
        if verdict == MORE and self.phase == AT_END and self.remaining == 0:
            return DONE
        return verdict

    def _step(self, chunk: bytes, position: int, end: int, length: int) -> int:
        # One packet that decides something: its first bytes are chunk[position:end], its payload's length `length`.
        phase = self.phase
        if length == 0:
            if phase != AT_TEXT:
                return BROKEN
            self.phase = AT_END
            return MORE
        src = chunk
        first = src[position]
        if first == 0xFF:
            if length < 3:
                return BROKEN
            self.error = src[position + 1] | src[position + 2] << 8
            self.phase = AT_END
            return MORE
        if phase == AT_TEXT:
            self.phase = AT_END
            return MORE
        if phase == AT_ROWS:
            if length >= (0xFFFFFF if self.deprecate_eof else 9):
                if self.rows == self.row_limit:
                    return TOO_MANY
                self.continued = length == 0xFFFFFF
                self.rows += 1
                return MORE
            return self._end(chunk, position, end, length)
        if phase == AT_RESULT or phase == AT_SIMPLE:
            if first == 0x00 or (first == 0xFE and length < 9):
                self.has_rows = 0
                return self._end(chunk, position, end, length)
            if phase == AT_SIMPLE:
                return self._end(chunk, position, end, length) if first == 0xFE else BROKEN
            if first == 0xFB:
                # The name of the file is looked at by the client only: once it is whole, the server waits.
                self.phase = AT_FILE
                return INFILE
            value = self._integer(chunk, position, end)
            if value <= 0 or value > 0xFFFF:
                return BROKEN
            self.columns = self.width = value
            self.rows = 0
            self.has_rows = 1
            self.matched = -1
            self.phase = AT_COLUMNS
            return MORE
        if phase == AT_PREPARED:
            if first != 0x00 or length < 9:
                return BROKEN
            columns = src[position + 5] | src[position + 6] << 8
            parameters = src[position + 7] | src[position + 8] << 8
            self.columns = parameters
            self.columns_after_parameters = columns
            self.phase = AT_PARAMETERS if parameters else self._prepared_columns()
            return MORE
        if phase == AT_PARAMETERS or phase == AT_PREPARED_COLUMNS:
            self.columns -= 1
            if self.columns == 0:
                self._after_definitions()
            return MORE
        # The classic EOF packets that end definitions.
        if first != 0xFE or length != 5:
            return BROKEN
        if self.marks or self.more_warnings:
            return REWRITE
        self.warnings = src[position + 1] | src[position + 2] << 8
        self.status = src[position + 3] | src[position + 4] << 8
        if phase == AT_COLUMNS_EOF:
            # A statement that opened a cursor sends its rows only when they are fetched.
            if self.opens_cursor and self.status & CURSOR_EXISTS:
                self.phase = AT_RESULT if self.status & MORE_RESULTS else AT_END
            else:
                self.phase = AT_ROWS
                # MySQL forgets to say behind a row of OUT parameters that an OK follows.
                self.out_parameters = self.status & OUT_PARAMETERS
        elif phase == AT_PARAMETERS_EOF:
            self.phase = self._prepared_columns()
        else:
            self.phase = AT_END
        return MORE

    def _prepared_columns(self) -> int:
        self.columns = self.columns_after_parameters
        return AT_PREPARED_COLUMNS if self.columns else AT_END

    def _after_definitions(self) -> None:
        if self.phase == AT_PARAMETERS:
            self.phase = self._prepared_columns() if self.deprecate_eof else AT_PARAMETERS_EOF
        else:
            self.phase = AT_END if self.deprecate_eof else AT_PREPARED_EOF

    def _end(self, chunk: bytes, position: int, end: int, length: int) -> int:
        # An OK or EOF packet: status and warnings, and whether another result follows.
        src = chunk
        if self.more_warnings or (self.marks and src[position] == 0xFE):
            return REWRITE
        if src[position] == 0xFE and length < 6:
            if length < 5:
                return BROKEN
            self.warnings = src[position + 1] | src[position + 2] << 8
            status = src[position + 3] | src[position + 4] << 8
        else:
            at = self._after_integer(chunk, position + 1, end)
            at = self._after_integer(chunk, at, end)
            if at < 0 or at + 4 > end:
                return BROKEN
            status = src[at] | src[at + 1] << 8
            if status & STATE_CHANGED and self.rewrite_state:
                return REWRITE
            self.warnings = src[at + 2] | src[at + 3] << 8
            self.affected = self._unsigned(chunk, position + 1)
            self.insert_id = self._unsigned(chunk, self._after_integer(chunk, position + 1, end))
            if self.reads_matched and at + 4 < end and src[position] == 0x00:
                self._read_matched(chunk, at + 4, end)
        self.status = status
        self.phase = AT_RESULT if status & MORE_RESULTS or self.out_parameters else AT_END
        self.out_parameters = 0
        return MORE

    def _read_matched(self, chunk: bytes, position: int, end: int) -> None:
        # The words stand behind their length.
        src = chunk
        at = position + 1 + len(MATCHED)
        if chunk[position + 1 : at] == MATCHED:
            end = at + DIGITS if at + DIGITS < end else end
            self.matched = 0
            while at < end and 0x30 <= src[at] <= 0x39:
                self.matched = self.matched * 10 + src[at] - 0x30
                at += 1

    def _after_integer(self, chunk: bytes, position: int, end: int) -> int:
        # Where the length-encoded integer at `position` ends, or -1.
        if position < 0 or position >= end:
            return -1
        src = chunk
        first = src[position]
        if first < 0xFB:
            return position + 1
        if first == 0xFC:
            return position + 3
        if first == 0xFD:
            return position + 4
        return position + 9 if first == 0xFE else -1

    def _unsigned(self, chunk: bytes, position: int) -> int:
        # The length-encoded integer at `position`, which is known to be there.
        src = chunk
        first = src[position]
        if first < 0xFB:
            return first
        size = 2 if first == 0xFC else 3 if first == 0xFD else 8
        value = 0
        while size:
            value = value << 8 | src[position + size]
            size -= 1
        return value

    def _integer(self, chunk: bytes, position: int, end: int) -> int:
        # A length-encoded integer of at most two bytes, or -1: no result has more columns.
        src = chunk
        if src[position] < 0xFB:
            return src[position]
        if src[position] == 0xFC and position + 3 <= end:
            return src[position + 1] | src[position + 2] << 8
        return -1
