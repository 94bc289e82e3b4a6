"""One column of every type, with values at its edges, and for the first of them one that is hardly another."""

from __future__ import annotations

from typing import NamedTuple

# Beginnings of the names of those that have a type.
ALL, MARIADB, MARIADB11, VECTORS = ("mariadb", "mysql"), ("mariadb",), ("mariadb:11",), ("mariadb:11", "mysql")


class Case(NamedTuple):
    """A column `c` of this type; `values` and `nudged` are SQL.

    `nudged` differs from the first by one bit of what a server keeps, or by one unit where it keeps no bits.
    """

    name: str
    type: str
    values: tuple[str, ...]
    nudged: str
    servers: tuple[str, ...] = ALL

    def is_for(self, server: str) -> bool:
        """Whether this server has the type."""
        return server.startswith(self.servers)

    def create(self, schema: str) -> str:
        """SQL for the table with its rows."""
        rows = ",".join(f"({number},{value})" for number, value in enumerate(self.values, start=1))
        table = f"{schema}.`{self.name}`"
        return f"CREATE TABLE {table} (id INT PRIMARY KEY, c {self.type}); INSERT INTO {table} VALUES {rows};"

    def nudge(self, schema: str) -> str:
        """SQL that changes the first row."""
        return f"UPDATE {schema}.`{self.name}` SET c={self.nudged} WHERE id=1;"


UTF8 = "CHARACTER SET utf8mb4"
SET64 = ",".join(f"'s{number}'" for number in range(64))
ENUM300 = ",".join(f"'v{number}'" for number in range(300))
A_UUID = "123e4567-e89b-12d3-a456-426655440000"
CASES = [
    Case("dec10_2", "DECIMAL(10,2)", ("0", "-0.01", "12345678.90", "-12345678.91", "NULL"), "0.01"),
    Case(
        "dec65_30",
        "DECIMAL(65,30)",
        ("99999999999999999999999999999999999.999999999999999999999999999999", "-1"),
        "99999999999999999999999999999999999.999999999999999999999999999998",
    ),
    Case("dec9_9", "DECIMAL(9,9)", ("0.123456789", "-0.000000001"), "0.123456788"),
    Case("dec16_0", "DECIMAL(16,0)", ("9999999999999999", "-9999999999999999"), "9999999999999998"),
    Case("decu", "DECIMAL(10,2) UNSIGNED", ("99999999.99",), "99999999.98"),
    Case("float", "FLOAT", ("1.5", "-0.25", "3e30", "1e-10", "1e-40", "16777216", "NULL"), "1.5000001192092896"),
    Case("float_tiny", "FLOAT", ("1e-10",), "1.0000001e-10"),
    Case("float_digits", "FLOAT", ("16777215",), "16777214"),
    Case("double", "DOUBLE", ("1.5", "-0.1", "1.7976931348623157e308", "0", "1e15", "1e22"), "1.5000000000000002"),
    Case("double_large", "DOUBLE", ("1.7976931348623157e308", "2.2250738585072014e-308"), "1.7976931348623155e308"),
    Case("double_small", "DOUBLE", ("2.2250738585072014e-308", "5e-324"), "2.225073858507202e-308"),
    Case("double_fixed", "DOUBLE(20,3)", ("123456789012.345", "-0.5"), "123456789012.346"),
    Case("tiny", "TINYINT", ("-128", "127", "NULL"), "-127"),
    Case("utiny", "TINYINT UNSIGNED", ("255", "0"), "254"),
    Case("small", "SMALLINT", ("-32768", "32767"), "-32767"),
    Case("med", "MEDIUMINT", ("-8388608", "8388607", "-1"), "-8388607"),
    Case("umed", "MEDIUMINT UNSIGNED", ("16777215",), "16777214"),
    Case("int", "INT", ("-2147483648", "2147483647"), "-2147483647"),
    Case("uint", "INT UNSIGNED", ("4294967295",), "4294967294"),
    Case("zerofill", "INT(8) ZEROFILL", ("42", "0"), "43"),
    Case("big", "BIGINT", ("-9223372036854775808", "9223372036854775807"), "-9223372036854775807"),
    Case("ubig", "BIGINT UNSIGNED", ("18446744073709551615", "0", "NULL"), "18446744073709551614"),
    Case("bool", "BOOLEAN", ("true", "false", "NULL"), "false"),
    Case("dt0", "DATETIME", ("'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "NULL"), "'1000-01-01 00:00:01'"),
    Case("dt3", "DATETIME(3)", ("'2024-02-29 12:34:56.789'",), "'2024-02-29 12:34:56.788'"),
    Case("dt6", "DATETIME(6)", ("'9999-12-31 23:59:59.999999'",), "'9999-12-31 23:59:59.999998'"),
    Case("dtzero", "DATETIME", ("'0000-00-00 00:00:00'", "'2024-00-00 00:00:00'"), "'0000-00-00 00:00:01'"),
    Case("dzero", "DATE", ("'0000-00-00'", "'2024-01-00'"), "NULL"),
    Case("dpartial", "DATE", ("'2024-01-00'",), "'2024-00-00'"),
    Case("ts0", "TIMESTAMP NULL", ("'2038-01-19 03:14:07'", "'2024-10-27 00:30:00'"), "'2038-01-19 03:14:06'"),
    Case("ts6", "TIMESTAMP(6) NULL", ("'2038-01-19 03:14:07.999999'", "NULL"), "'2038-01-19 03:14:07.999998'"),
    Case("tszero", "TIMESTAMP NULL", ("'0000-00-00 00:00:00'",), "'1970-01-01 00:00:01'"),
    Case("time0", "TIME", ("'838:59:59'", "'-838:59:59'", "'-00:00:01'", "NULL"), "'838:59:58'"),
    Case("time6", "TIME(6)", ("'-00:00:00.000001'", "'838:59:58.999999'"), "'00:00:00.000001'"),
    Case("date", "DATE", ("'1000-01-01'", "'9999-12-31'", "NULL"), "'1000-01-02'"),
    Case("year", "YEAR", ("1901", "2155", "0"), "1903"),
    Case("year0", "YEAR", ("0",), "1901"),
    Case("char10", f"CHAR(10) {UTF8}", ("'a'", "'ü😀'", "''"), "'A'"),
    Case("char255", f"CHAR(255) {UTF8}", ("REPEAT('😀',255)",), "CONCAT(REPEAT('😀',254),'😁')"),
    Case("letter_case", f"VARCHAR(50) {UTF8}", ("'hé😀'", "''", "NULL"), "'Hé😀'"),
    Case("accent", f"VARCHAR(50) {UTF8}", ("'e'",), "'é'"),
    Case("trailing", f"VARCHAR(50) {UTF8}", ("'a'",), "'a '"),
    Case("trailing_zero", f"VARCHAR(50) {UTF8}", ("'a'",), "CONCAT('a',CHAR(0))"),
    Case("padded", f"VARCHAR(50) {UTF8} COLLATE utf8mb4_general_ci", ("'a'",), "'a '"),
    Case("alike", f"CHAR(9) {UTF8} COLLATE utf8mb4_general_ci", ("'s'", "'é'"), "'ß'"),
    Case("empty", f"VARCHAR(50) {UTF8}", ("''",), "NULL"),
    Case("latin1", "VARCHAR(50) CHARACTER SET latin1", ("'äöü€'",), "'äöý€'"),
    Case("gbk", "VARCHAR(50) CHARACTER SET gbk", ("'中文'",), "'中闻'"),
    Case("utf16", "VARCHAR(50) CHARACTER SET utf16", ("'ab😀'", "NULL"), "'ab😁'"),
    Case("cp932", "VARCHAR(50) CHARACTER SET cp932", ("_cp932 x'93fa967b'",), "_cp932 x'93fa967a'"),
    Case("koi8r", "VARCHAR(20) CHARACTER SET koi8r", ("'привет'",), "'привдт'"),
    Case("swe7", "VARCHAR(20) CHARACTER SET swe7", ("'abc'",), "'abb'"),
    Case("ucs2", "VARCHAR(20) CHARACTER SET ucs2", ("'ab'",), "'ac'"),
    Case("utf8mb3", "VARCHAR(20) CHARACTER SET utf8", ("'é'",), "'è'"),
    Case("utf8bin", f"VARCHAR(20) {UTF8} COLLATE utf8mb4_bin", ("'é'",), "'è'"),
    Case("ttext", f"TINYTEXT {UTF8}", ("'x😀'",), "'x😁'"),
    Case("text", f"TEXT {UTF8}", ("REPEAT('ab',20000)", "'😀'", "NULL"), "CONCAT(REPEAT('ab',19999),'aB')"),
    Case("ltext", "LONGTEXT CHARACTER SET latin1", ("REPEAT('z',100000)", "''"), "CONCAT(REPEAT('z',99999),'{')"),
    Case("tblob", "TINYBLOB", ("x'00ff80'",), "x'00ff81'"),
    Case("blob", "BLOB", ("x'00ff80fe'", "''", "NULL"), "x'00ff80ff'"),
    Case("blob_empty", "BLOB", ("''",), "NULL"),
    Case("lblob", "LONGBLOB", ("REPEAT(x'fe',100000)",), "CONCAT(REPEAT(x'fe',99999),x'ff')"),
    Case("bin16", "BINARY(16)", ("x'00112233445566778899aabbccddeeff'", "x'ff'"),
         "x'00112233445566778899aabbccddeefe'"),
    Case("padding", "BINARY(4)", ("x'61'",), "x'61202020'"),
    Case("bin4", "BINARY(4)", ("x'61626300'",), "x'61626301'"),
    Case("vbin_zero", "VARBINARY(16)", ("x'61'",), "x'6100'"),
    Case("vbin", "VARBINARY(16)", ("x'00ff00'",), "x'00ff'"),
    Case("enum", "ENUM('a','b','c')", ("'a'", "'b'", "NULL"), "'c'"),
    Case("enum_quotes", r"ENUM('a,b','c''d','(e)','f)')", ("'a,b'", "'c''d'", "'f)'"), "'f)'"),
    Case("enum_latin1", "ENUM('é','ü') CHARACTER SET latin1", ("'é'", "'ü'"), "'ü'"),
    Case("enum300", f"ENUM({ENUM300})", ("'v0'", "'v299'"), "'v2'"),
    Case("set", "SET('a','b','c')", ("'a,c'", "''", "NULL"), "'a'"),
    Case("set64", f"SET({SET64})", ("'s0,s63'", "'s31,s32'"), "'s63'"),
    Case("bit1", "BIT(1)", ("b'1'", "b'0'"), "b'0'"),
    Case("bit10", "BIT(10)", ("b'1000000001'", "b'1'"), "b'1000000000'"),
    Case("bit64", "BIT(64)", ("18446744073709551615", "1"), "18446744073709551614"),
    Case("json", "JSON", ("""'{"a":1,"b":[1,2,{"c":null}],"d":true,"e":"x😀"}'""", "NULL"),
         """'{"a":1,"b":[1,2,{"c":null}],"d":true,"e":"x😁"}'"""),
    Case("json_numbers", "JSON", ("'[0,-1,9223372036854775807,18446744073709551615,1.5,1e3]'",),
         "'[0,-1,9223372036854775807,18446744073709551614,1.5,1e3]'"),
    Case("json_order", "JSON", ("'[1,2]'", "'null'", "'\"\"'", "'{}'", "'[]'"), "'[2,1]'"),
    Case("json_double", "JSON", ("'[1.5,5e-324,1e300]'",), "'[1.5000000000000002,5e-324,1e300]'"),
    Case("json_word", "JSON", ("'{\"a\":true}'",), "'{\"a\":false}'"),
    Case("json_case", "JSON", ("'{\"b\":1,\"a\":2}'",), "'{\"B\":1,\"a\":2}'"),
    Case("json_trailing", "JSON", ("'[\"a\"]'",), "'[\"a \"]'"),
    Case("json_null", "JSON", ("'null'",), "NULL"),
    Case("json_decimal", "JSON", ("JSON_OBJECT('d',CAST(1.50 AS DECIMAL(5,2)))",),
         "JSON_OBJECT('d',CAST(1.51 AS DECIMAL(5,2)))"),
    Case("geometry", "GEOMETRY", ("ST_GeomFromText('POINT(1 2)')", "NULL"),
         "ST_GeomFromText('POINT(1 2.0000000000000004)')"),
    Case("srid", "GEOMETRY", ("ST_GeomFromText('POINT(1 2)')",), "ST_GeomFromText('POINT(1 2)',3857)"),
    Case("multipoint", "MULTIPOINT", ("ST_GeomFromText('MULTIPOINT(1 2,3 4)')",),
         "ST_GeomFromText('MULTIPOINT(1 2,3 4.000000000000001)')"),
    Case("polygon", "POLYGON", ("ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')",),
         "ST_GeomFromText('POLYGON((0 0,1 0,1 1.0000000000000002,0 0))')"),
    Case("uuid", "UUID", ("'123e4567-e89b-12d3-a456-426655440000'",),
         "'123e4567-e89b-12d3-a456-426655440001'", MARIADB),
    Case("inet6", "INET6", ("'::1'",), "'::'", MARIADB),
    Case("inet4", "INET4", ("'10.0.0.1'",), "'10.0.0.0'", MARIADB),
    Case("compressed", "TEXT COMPRESSED", ("REPEAT('abc',5000)", "'short'"),
         "CONCAT(REPEAT('abc',4999),'abb')", MARIADB),
    Case("vcompressed", "VARCHAR(200) COMPRESSED", ("REPEAT('abc',50)",), "CONCAT(REPEAT('abc',49),'abb')", MARIADB),
    Case("vector", "VECTOR(3)", ("x'0000803f0000004000004040'",), "x'0000803f0000004001004040'", VECTORS),
    Case("ts2100", "TIMESTAMP NULL", ("'2100-01-01 00:00:00'",), "'2100-01-01 00:00:01'", MARIADB11),
]  # fmt: skip

# The same value under a type of MariaDB's and one of MySQL's, and one there that is not the same.
ELSEWHERE = {
    "uuid_char": ("UUID", "CHAR(36)", f"'{A_UUID}'", f"'{A_UUID}'", f"'{A_UUID[:-1]}1'"),
    "uuid_binary": ("UUID", "BINARY(16)", f"'{A_UUID}'", f"UUID_TO_BIN('{A_UUID}')", f"UUID_TO_BIN('{A_UUID[:-1]}1')"),
    "inet6_char": ("INET6", "VARCHAR(39)", "'::1'", "'0:0:0:0:0:0:0:1'", "'::2'"),
    "inet6_binary": ("INET6", "VARBINARY(16)", "'::1'", "INET6_ATON('::1')", "INET6_ATON('::3')"),
    "inet4_char": ("INET4", "VARCHAR(15)", "'10.0.0.1'", "'10.0.0.1'", "'10.0.0.0'"),
    "latin1_utf8": ("VARCHAR(9) CHARACTER SET latin1", f"VARCHAR(9) {UTF8}", "'äöü'", "'äöü'", "'äöÜ'"),
    # Unicode has no such character.
    "cp1251_utf8": (f"VARCHAR(9) {UTF8}", "VARCHAR(9) CHARACTER SET cp1251", "'я?'", "'я?'", "_cp1251 x'ff98'"),
    "gbk_utf8": (f"VARCHAR(9) {UTF8}", "VARCHAR(9) CHARACTER SET gbk", "'?中'", "'?中'", "_gbk x'a2a0d6d0'"),
    "ucs2_sjis": ("VARCHAR(9) CHARACTER SET ucs2", "VARCHAR(9) CHARACTER SET sjis", "'ソ?'", "'ソ?'", "'ソ'"),
    "json_text": ("LONGTEXT", "JSON", r"""'{"b": 1.0, "a": [1e2, "é"]}'""", """'{"a":[100.0,"é"],"b":1}'""",
                  """'{"a":[100.0,"é"],"b":2}'"""),
    "json_digits": ("JSON", "JSON", "'[0.12345678901234567890]'", "'[0.12345678901234568]'", "'[0.1234567890123457]'"),
    "json_keys": ("JSON", "JSON", """'{"b":[1, 2],"a":{"d":1,"c":2}}'""", """'{"a":{"c":2,"d":1},"b":[1,2]}'""",
                  """'{"a":{"c":2,"d":1},"b":[2,1]}'"""),
    "json_twice": ("JSON", "JSON", """'{"a":1,"b":3,"a":2}'""", """'{"b":3,"a":2}'""", """'{"b":3,"a":1}'"""),
    "json_escapes": ("JSON", "JSON", r"""'["\\u00e9\\/\\ud83d\\ude00"]'""", "'[\"é/😀\"]'", "'[\"é/😁\"]'"),
    "json_zero": ("JSON", "JSON", "'[-0.0]'", "'[0]'", "'[5e-324]'"),
    "json_last_bit": ("JSON", "JSON", "'[0.1, 3e2]'", "'[0.1, 300]'", "'[0.10000000000000002, 300]'"),
    "zero_sign": ("DOUBLE", "DOUBLE", "-0e0", "0", "5e-324"),
    "fraction": ("DATETIME", "DATETIME(6)", "'2024-02-29 12:34:56'", "'2024-02-29 12:34:56'",
                 "'2024-02-29 12:34:56.000001'"),
    "scale": ("DECIMAL(10,2)", "DECIMAL(20,4)", "1.50", "1.5000", "1.5001"),
    # Together these have more digits than any number.
    "digits": ("DECIMAL(65,0)", "DECIMAL(65,30)", "9" * 35, "9" * 35, "9" * 34 + "8.9"),
    "whole_digits": ("DECIMAL(40,0)", "DECIMAL(41,0)", "9" * 39, "9" * 39, "5" + "0" * 38),
    "scaled_width": ("DECIMAL(9,3) ZEROFILL", "INT", "7", "7", "6"),
    "bit_scale": ("BIT(9)", "DECIMAL(12,2)", "b'101'", "5", "5.01"),
    "width": ("INT(4) ZEROFILL", "BIGINT", "7", "7", "8"),
    "float_double": ("FLOAT", "DOUBLE", "0.5", "0.5", "0.5000000000000001"),
    "enum_text": ("ENUM('a','b')", f"VARCHAR(9) {UTF8}", "'b'", "'b'", "'B'"),
}  # fmt: skip
