"""Columns of every type with hostile values, for tests of whatever carries rows.

A case is a type and SQL literals for it; a table is a CREATE TABLE and statements, with {t} for its name. They are
written with the sql_mode ALLOW_INVALID_DATES and the time zone +00:00, and what they mean is what a SELECT then says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dbmux.playground.node import Node
from dbmux.playground.packages import Kind


class On(Enum):
    """Which servers have it."""

    ALL = "all"
    MYSQL = "MySQL"
    MARIADB = "MariaDB"
    MARIADB_11 = "MariaDB 11"

    def has(self, node: Node) -> bool:
        """Whether this server does."""
        is_mysql = node.software.kind is Kind.MYSQL
        match self:
            case On.ALL:
                return True
            case On.MYSQL:
                return is_mysql
            case On.MARIADB:
                return not is_mysql
            case On.MARIADB_11:
                return not is_mysql and node.software.series.startswith("11")


@dataclass(frozen=True, slots=True)
class Case:
    """A column's type, and values for it."""

    name: str
    type: str
    literals: tuple[str, ...]
    on: On = On.ALL

    def type_on(self, node: Node) -> str | None:
        """What has room for its values there; None where nothing has."""
        return self.type if self.on.has(node) else _ELSEWHERE.get(self.type)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that has something of its own, and what is done to it."""

    name: str
    create: str
    statements: tuple[str, ...]
    on: On = On.ALL


# MariaDB's own types, and what has room for them elsewhere.
_ELSEWHERE = {
    "uuid": "char(36)", "inet6": "varchar(39)", "inet4": "varchar(15)", "text compressed": "text",
    "varchar(200) compressed": "varchar(200)",
}  # fmt: skip

CASES = (
    Case(
        "dec10_2",
        "decimal(10,2)",
        (
            "0",
            "-0.01",
            "12345678.90",
            "-12345678.91",
            "0.5",
            "-0.5",
            "NULL",
        ),
    ),
    Case(
        "dec65_30",
        "decimal(65,30)",
        (
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0.000000000000000000000000000001",
            "-1",
        ),
    ),
    Case(
        "dec18_9",
        "decimal(18,9)",
        (
            "123456789.123456789",
            "-123456789.000000001",
            "0",
        ),
    ),
    Case(
        "dec5_0",
        "decimal(5,0)",
        (
            "12345",
            "-12345",
            "0",
        ),
    ),
    Case(
        "dec9_9",
        "decimal(9,9)",
        (
            "0.123456789",
            "-0.000000001",
        ),
    ),
    Case(
        "dec14_4",
        "decimal(14,4)",
        (
            "1234567890.1234",
            "-1234567890.1234",
            "-9999999999.9999",
            "8388608.5",
        ),
    ),
    Case(
        "dec16_0",
        "decimal(16,0)",
        (
            "9999999999999999",
            "-9999999999999999",
            "8388608",
        ),
    ),
    Case("decu", "decimal(10,2) unsigned", ("99999999.99",)),
    Case(
        "float",
        "float",
        (
            "1.5",
            "-0.25",
            "3e30",
            "NULL",
        ),
    ),
    Case(
        "double",
        "double",
        (
            "1.5",
            "-0.1",
            "1.7976931348623157e308",
        ),
    ),
    Case(
        "tiny",
        "tinyint",
        (
            "-128",
            "127",
        ),
    ),
    Case(
        "utiny",
        "tinyint unsigned",
        (
            "255",
            "0",
        ),
    ),
    Case(
        "small",
        "smallint",
        (
            "-32768",
            "32767",
        ),
    ),
    Case("usmall", "smallint unsigned", ("65535",)),
    Case(
        "med",
        "mediumint",
        (
            "-8388608",
            "8388607",
            "-1",
        ),
    ),
    Case("umed", "mediumint unsigned", ("16777215",)),
    Case(
        "int",
        "int",
        (
            "-2147483648",
            "2147483647",
        ),
    ),
    Case("uint", "int unsigned", ("4294967295",)),
    Case(
        "big",
        "bigint",
        (
            "-9223372036854775808",
            "9223372036854775807",
        ),
    ),
    Case(
        "ubig",
        "bigint unsigned",
        (
            "18446744073709551615",
            "0",
            "NULL",
        ),
    ),
    Case(
        "bool",
        "boolean",
        (
            "true",
            "false",
            "NULL",
        ),
    ),
    Case(
        "dt0",
        "datetime",
        (
            "'1000-01-01 00:00:00'",
            "'9999-12-31 23:59:59'",
            "'2024-02-29 12:34:56'",
            "NULL",
        ),
    ),
    Case("dt1", "datetime(1)", ("'2024-02-29 12:34:56.7'",)),
    Case("dt2", "datetime(2)", ("'2024-02-29 12:34:56.78'",)),
    Case(
        "dt3",
        "datetime(3)",
        (
            "'2024-02-29 12:34:56.789'",
            "'2024-02-29 12:34:56.001'",
        ),
    ),
    Case("dt4", "datetime(4)", ("'2024-02-29 12:34:56.7891'",)),
    Case("dt5", "datetime(5)", ("'2024-02-29 12:34:56.78912'",)),
    Case(
        "dt6",
        "datetime(6)",
        (
            "'2024-02-29 12:34:56.789123'",
            "'9999-12-31 23:59:59.999999'",
            "'2024-02-29 12:34:56.000001'",
            "'2024-02-29 12:34:56.999999'",
        ),
    ),
    Case(
        "dtzero",
        "datetime",
        (
            "'0000-00-00 00:00:00'",
            "'2024-00-00 00:00:00'",
        ),
    ),
    Case(
        "dzero",
        "date",
        (
            "'0000-00-00'",
            "'2024-01-00'",
        ),
    ),
    Case(
        "ts0",
        "timestamp null",
        (
            "'1970-01-01 00:00:01'",
            "'2038-01-19 03:14:07'",
            "'2024-07-01 12:00:00'",
            "'2024-10-27 00:30:00'",
            "'2024-10-27 01:30:00'",
        ),
    ),
    Case(
        "ts3",
        "timestamp(3) null",
        (
            "'2024-07-01 12:00:00.123'",
            "NULL",
        ),
    ),
    Case("ts6", "timestamp(6) null", ("'2038-01-19 03:14:07.999999'",)),
    Case("tszero", "timestamp null", ("'0000-00-00 00:00:00'",)),
    Case("ts2100", "timestamp null", ("'2100-01-01 00:00:00'",), On.MARIADB_11),
    Case(
        "time0",
        "time",
        (
            "'838:59:59'",
            "'-838:59:59'",
            "'-00:00:01'",
            "'-01:30:00'",
            "'12:34:56'",
            "'00:00:00'",
            "NULL",
        ),
    ),
    Case(
        "time3",
        "time(3)",
        (
            "'12:34:56.789'",
            "'-12:34:56.789'",
            "'-00:00:00.500'",
        ),
    ),
    Case(
        "time6",
        "time(6)",
        (
            "'12:34:56.789123'",
            "'-12:34:56.000001'",
            "'838:59:58.999999'",
            "'-00:00:00.000001'",
        ),
    ),
    Case(
        "time1",
        "time(1)",
        (
            "'12:34:56.7'",
            "'-12:34:56.7'",
        ),
    ),
    Case(
        "date",
        "date",
        (
            "'1000-01-01'",
            "'9999-12-31'",
            "'2024-02-29'",
            "NULL",
        ),
    ),
    Case(
        "year",
        "year",
        (
            "1901",
            "2155",
            "2024",
            "0",
        ),
    ),
    Case(
        "char10",
        "char(10) character set utf8mb4",
        (
            "'a'",
            "'ü😀'",
            "''",
        ),
    ),
    Case(
        "char255",
        "char(255) character set utf8mb4",
        (
            "repeat('😀',255)",
            "'x'",
        ),
    ),
    Case(
        "vc50",
        "varchar(50) character set utf8mb4",
        (
            "'hé😀'",
            "''",
            "NULL",
        ),
    ),
    Case("vc300", "varchar(300) character set utf8mb4", ("repeat('😀',300)",)),
    Case("vclat", "varchar(50) character set latin1", ("'äöü€'",)),
    Case("vcgbk", "varchar(50) character set gbk", ("'中文'",)),
    Case("vcutf16", "varchar(50) character set utf16", ("'ab😀'",)),
    Case("vcsjis", "varchar(50) character set cp932", ("'日本'",)),
    Case("vcgreek", "varchar(20) character set greek", ("'αβγ'",)),
    Case("vckoi", "varchar(20) character set koi8r", ("'привет'",)),
    Case("vcswe7", "varchar(20) character set swe7", ("'abc'",)),
    Case("vcascii", "varchar(20) character set ascii", ("'abc'",)),
    Case("vcutf8bin", "varchar(20) character set utf8mb4 collate utf8mb4_bin", ("'é'",)),
    Case("vcucs2", "varchar(20) character set ucs2", ("'ab'",)),
    Case("vccp1251", "varchar(20) character set cp1251", ("'привет'",)),
    Case("ttext", "tinytext character set utf8mb4", ("'x😀'",)),
    Case(
        "text",
        "text character set utf8mb4",
        (
            "'emoji 😀👍🏽'",
            "repeat('ab',20000)",
        ),
    ),
    Case("mtext", "mediumtext character set utf8mb4", ("repeat('é',70000)",)),
    Case(
        "ltext",
        "longtext character set utf8mb4",
        (
            "repeat('z',100000)",
            "NULL",
        ),
    ),
    Case("tblob", "tinyblob", ("x'00ff80'",)),
    Case(
        "blob",
        "blob",
        (
            "x'00ff80fe'",
            "''",
        ),
    ),
    Case("mblob", "mediumblob", ("repeat(x'ff',70000)",)),
    Case("lblob", "longblob", ("repeat(x'fe',100000)",)),
    Case(
        "bin16",
        "binary(16)",
        (
            "x'00112233445566778899aabbccddeeff'",
            "x'00112233445566778899aabbccddee00'",
            "x'ff'",
        ),
    ),
    Case("vbin", "varbinary(16)", ("x'00ff00'",)),
    Case("vbin300", "varbinary(300)", ("repeat(x'ff',300)",)),
    Case(
        "enum",
        "enum('a','b','c')",
        (
            "'a'",
            "'c'",
            "NULL",
        ),
    ),
    Case(
        "enumq",
        "enum('a,b','c''d','(e)','f)')",
        (
            "'a,b'",
            "'c''d'",
            "'(e)'",
            "'f)'",
        ),
    ),
    Case(
        "enumu",
        "enum('é','😀') character set utf8mb4",
        (
            "'é'",
            "'😀'",
        ),
    ),
    Case(
        "enumlat",
        "enum('é','ü') character set latin1",
        (
            "'é'",
            "'ü'",
        ),
    ),
    Case(
        "enum300",
        "enum(" + ",".join(f"'v{i}'" for i in range(300)) + ")",
        (
            "'v0'",
            "'v299'",
        ),
    ),
    Case(
        "set",
        "set('a','b','c')",
        (
            "'a,c'",
            "''",
            "'b'",
            "NULL",
        ),
    ),
    Case(
        "setq",
        "set('a(b','c''d','e)')",
        (
            "'a(b,e)'",
            "'c''d'",
        ),
    ),
    Case(
        "set64",
        "set(" + ",".join(f"'s{i}'" for i in range(64)) + ")",
        (
            "'s0,s63'",
            "'s31,s32'",
        ),
    ),
    Case(
        "bit1",
        "bit(1)",
        (
            "b'1'",
            "b'0'",
        ),
    ),
    Case("bit8", "bit(8)", ("b'10000001'",)),
    Case(
        "bit10",
        "bit(10)",
        (
            "b'1000000001'",
            "b'1'",
        ),
    ),
    Case(
        "bit64",
        "bit(64)",
        (
            "18446744073709551615",
            "1",
        ),
    ),
    Case(
        "json_simple",
        "json",
        (
            '\'{"a":1,"b":[1,2,{"c":null}],"d":true,"e":"x😀"}\'',
            "NULL",
        ),
    ),
    Case(
        "json_scalars",
        "json",
        (
            "'1'",
            "'-1'",
            "'1.5'",
            "'\"s\"'",
            "'null'",
            "'true'",
            "'[]'",
            "'{}'",
            "'\"\"'",
        ),
    ),
    Case(
        "json_ints",
        "json",
        (
            "'[0,1,-1,32767,32768,-32768,-32769,65535,65536,2147483647,2147483648,-2147483648,-2147483649,4294967295,4294967296,9223372036854775807,18446744073709551615]'",
            '\'{"a":32768,"b":-40000,"c":3000000000}\'',
        ),
    ),
    Case(
        "json_nest",
        "json",
        ('\'{"k1":{"k2":{"k3":[[[1,2],[3]],{"k4":"deep"}]}},"arr":["x",1.25,false,null,{"y":[]}]}\'',),
    ),
    Case(
        "json_bigkeys",
        "json",
        (
            "json_object('a',repeat('x',200),'bb',repeat('y',70000))",
            "json_array(repeat('z',70000),1,-1,70000,true)",
        ),
    ),
    Case("json_dup", "json", ('\'[{"id":1,"n":"é"},{"id":2,"n":"é"}]\'',)),
    Case(
        "json_opaque",
        "json",
        (
            "json_object('d',cast(1.50 as decimal(5,2)))",
            "json_object('t',cast('2024-02-29 01:02:03.5' as datetime(6)))",
            "json_array(cast('2024-02-29' as date),cast('12:34:56' as time))",
        ),
        On.MYSQL,
    ),
    Case("json_bin", "json", ("json_object('b',cast(x'ff00' as binary))",), On.MYSQL),
    Case(
        "geom",
        "geometry",
        (
            "ST_GeomFromText('POINT(1 2)')",
            "NULL",
        ),
    ),
    Case("point", "point", ("ST_GeomFromText('POINT(1 2)')",)),
    Case("poly", "polygon", ("ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')",)),
    Case("uuid", "uuid", ("'123e4567-e89b-12d3-a456-426655440000'",), On.MARIADB),
    Case("inet6", "inet6", ("'::1'",), On.MARIADB),
    Case("inet4", "inet4", ("'10.0.0.1'",), On.MARIADB),
    Case(
        "ccomp",
        "text compressed",
        (
            "repeat('abc',5000)",
            "'short'",
        ),
        On.MARIADB,
    ),
    Case("vccomp", "varchar(200) compressed", ("repeat('abc',50)",), On.MARIADB),
    Case("vector", "vector(3)", ("string_to_vector('[1,2,3]')",), On.MYSQL),
    Case("vectorm", "vector(3)", ("vec_fromtext('[1,2,3]')",), On.MARIADB_11),
    Case("dec38_38", "decimal(38,38)", ("0.00000000000000000000000000000000000001", "-0.1"), On.MARIADB),
    Case("float_edges", "float", ("1.17549e-38", "3.40282e38", "-0.0e0", "0", "16777217", "0.1")),
    Case(
        "double_edges", "double", ("2.2250738585072014e-308", "5e-324", "-0.0e0", "0.1", "123456789012345678e0", "1e22")
    ),
    Case("char_padding", "char(10) character set latin1", ("'a  '", "'  a'", "' '")),
    Case("vc_padding", "varchar(10) character set utf8mb4", ("'a  '", "' '", "x'00'", "x'5c'", "''''", "'\"\n'")),
    Case("char_ucs2", "char(10) character set ucs2", ("'a'", "'é '", "''")),
    Case("char_utf32", "char(10) character set utf32", ("'😀'",)),
    Case("bin255", "binary(255)", ("x'00'", "''", "repeat(x'00', 255)", "repeat(x'ff', 255)")),
    Case("set_utf16", "set('a','é','😀') character set utf16", ("'a,😀'", "'é'", "''")),
    Case("enum_empty", "enum('','x')", ("''", "'x'")),
    Case("enum_wrong", "enum('a','b')", ("0", "'b'")),
    Case(
        "json_strings",
        "json",
        (r"json_array('\\', '\"', '/', '\n\t\r\b', _utf8mb4 x'01', _utf8mb4 x'1f', _utf8mb4 x'7f', 'é😀', '')",),
    ),
    Case(
        "json_doubles",
        "json",
        (
            "json_array(1e15,1e14,1.0,0.1e0,1e-14,1e-15,1e-16,1.5e300,5e-324,123456789012345678e0,-0.0e0,1e16,1e0,"
            "999999999999999e0,1234567890123456e0,0.001234e0,1.7976931348623157e308,100e0,1e-5,12345.678e-20,"
            "0.000012345678901234567e0)",
        ),
    ),
    Case(
        "json_base64",
        "json",
        (
            "json_array(cast(repeat('x',57) as binary), cast(repeat('x',100) as binary), b'101')",
            "json_array(cast('' as binary), cast(repeat('x',114) as binary))",
        ),
        On.MYSQL,
    ),
    Case(
        "json_decimals",
        "json",
        ("json_array(-0.5, 0.000, 12345678901234567890.123456789, -1)", "json_array(cast(1 as decimal(65,30)))"),
        On.MYSQL,
    ),
    Case(
        "json_times",
        "json",
        ("json_array(cast('-838:59:59' as time), cast('-00:00:00.000001' as time(6)), cast('0000-00-00' as date))",),
        On.MYSQL,
    ),
    Case("json_keys", "json", ("json_object('', 1, 'b', 2, 'aa', 3, 'é', 4, 'a\"b', 5)",)),
    Case("point_srid", "geometry", ("ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('LINESTRING(0 0,1 1)')")),
    Case(
        "uuids",
        "uuid",
        (
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'018f3e2a-7c1b-7def-8abc-0123456789ab'",
            "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'",
            "'123e4567-e89b-62d3-a456-426655440000'",
            "'123e4567-e89b-12d3-0456-426655440000'",
            "'123e4567-e89b-02d3-a456-426655440000'",
            "'a1b2c3d4-e5f6-4789-8abc-def012345600'",
        ),
        On.MARIADB,
    ),
    Case(
        "inet6s",
        "inet6",
        (
            "'::'",
            "'::ffff:10.0.0.1'",
            "'::10.0.0.1'",
            "'2001:db8::ff00:42:8329'",
            "'1:0:0:2::3'",
            "'1:0:2:3:4:5:6:7'",
            "'fe80::'",
            "'::2'",
            "'::1:2'",
            "'::ffff:0:0'",
        ),
        On.MARIADB,
    ),
    Case("inet4s", "inet4", ("'0.0.0.0'", "'255.255.255.255'"), On.MARIADB),
    Case("ccomp_utf8", "mediumtext compressed character set utf8mb4", ("repeat('é', 40000)", "''", "NULL"), On.MARIADB),
    Case("bcomp", "blob compressed", ("repeat(x'00', 300)", "x'00'"), On.MARIADB),
)

TABLES = (
    Table(
        "gen",
        "create table {t}(id int primary key, a int, v int generated always as (a+1) virtual,"
        " s int generated always as (a*2) stored, c varchar(10))",
        (
            "insert into {t}(id,a,c) values(1,10,'x'),(2,null,'y')",
            "update {t} set a=11 where id=1",
            "delete from {t} where id=1",
        ),
    ),
    Table(
        "wide",
        "create table {t}(id int primary key," + ",".join(f"c{i} int" for i in range(300)) + ")",
        (
            "insert into {t}(id,c0,c299) values(1,5,7)",
            "update {t} set c299=8",
            "delete from {t}",
        ),
    ),
    Table(
        "nopk",
        "create table {t}(a int,b varchar(5))",
        (
            "insert into {t} values(1,'x'),(2,'y')",
            "update {t} set b='z' where a=1",
            "delete from {t}",
        ),
    ),
    Table(
        "wideutf",
        "create table {t}(`名前` varchar(20), `naïve col` int) default charset utf8mb4",
        ("insert into {t} values('値',1)",),
    ),
    Table(
        "mixcs",
        "create table {t}(a varchar(10) character set latin1, b varchar(10) character set utf8mb4, c varbinary(10),"
        " d text character set gbk, e blob, f char(3) character set binary)",
        ("insert into {t} values('ä','😀',x'ff','中',x'ff','b')",),
    ),
    Table(
        "invis",
        "create table {t}(id int primary key, h int invisible default 7, c int)",
        ("insert into {t}(id,c) values(1,2)",),
        On.MARIADB,
    ),
    Table(
        "invis8",
        "create table {t}(id int primary key, h int default 7 invisible, c int)",
        ("insert into {t}(id,c) values(1,2)",),
        On.MYSQL,
    ),
    Table(
        "part",
        "create table {t}(id int primary key, c int) partition by hash(id) partitions 4",
        (
            "insert into {t} values(1,2),(2,3)",
            "update {t} set c=c+1",
            "delete from {t}",
        ),
    ),
    Table(
        "dropcol",
        "create table {t}(id int primary key, a int, b varchar(10))",
        (
            "insert into {t} values(1,2,'x')",
            "alter table {t} drop column a, add column z varchar(5) first",
        ),
    ),
    Table(
        "rencol",
        "create table {t}(id int primary key, a int, b varchar(10))",
        (
            "insert into {t} values(1,2,'x')",
            "alter table {t} rename column a to aa",
        ),
    ),
    Table(
        "reorder",
        "create table {t}(id int primary key, a varchar(10) character set latin1, b varbinary(10))",
        (
            "insert into {t} values(1,'ä',x'ff')",
            "alter table {t} modify b varbinary(10) after id",
        ),
    ),
    Table(
        "droptab",
        "create table {t}(id int primary key, a int)",
        (
            "insert into {t} values(1,2)",
            "drop table {t}",
        ),
    ),
    Table(
        "bigrow",
        "create table {t}(id int primary key, b longblob)",
        ("insert into {t} values(1,repeat('x',20000000))",),
    ),
    Table(
        "functional",
        "create table {t}(id int primary key, c int, key k ((c + 1)))",
        ("insert into {t} values(1, 2)", "update {t} set c = 3"),
        On.MYSQL,
    ),
    Table(
        "empty_row",
        "create table {t}(a int default 5)",
        ("insert into {t} values()", "insert into {t} values(),()", "update {t} set a = 6", "delete from {t}"),
    ),
    Table(
        "key_change",
        "create table {t}(id int primary key, c text)",
        (
            "insert into {t} values(1, 'x')",
            "update {t} set id = 2",
            "replace into {t} values(2, 'y')",
            "insert into {t} values(2, 'z') on duplicate key update c = concat(c, '!')",
        ),
    ),
)
