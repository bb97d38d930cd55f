// ClickHouse's JDBC driver, unmodified, against `gavel clickhouse`: java Run HOST:PORT

import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class Run {
    // One column a family of types: its name, its type, a literal, and how the driver shows it as text.
    static final String[][] FAMILIES = {
        {"i8", "Int8", "-128", "-128"},
        {"i16", "Int16", "-32768", "-32768"},
        {"i32", "Int32", "-2147483648", "-2147483648"},
        {"i64", "Int64", "-9223372036854775808", "-9223372036854775808"},
        {"u8", "UInt8", "255", "255"},
        {"u16", "UInt16", "65535", "65535"},
        {"u32", "UInt32", "4294967295", "4294967295"},
        {"u64", "UInt64", "18446744073709551615", "18446744073709551615"},
        {"u128", "UInt128", "'340282366920938463463374607431768211455'", "340282366920938463463374607431768211455"},
        {"i256", "Int256",
            "'-57896044618658097711785492504343953926634992332820282019728792003956564819968'",
            "-57896044618658097711785492504343953926634992332820282019728792003956564819968"},
        {"f32", "Float32", "1.5", "1.5"},
        {"i128", "Int128", "'-170141183460469231731687303715884105728'", "-170141183460469231731687303715884105728"},
        {"u256", "UInt256",
            "'115792089237316195423570985008687907853269984665640564039457584007913129639935'",
            "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
        {"f64", "Float64", "-0.5", "-0.5"},
        {"boolean", "Bool", "true", "true"},
        {"d32", "Decimal(9, 2)", "-1234567.89", "-1234567.89"},
        {"d256", "Decimal(76, 10)", "'123456789012345678901234567890.0123456789'", "123456789012345678901234567890.0123456789"},
        {"text", "String", "'a\\tb\\n\\'ü'", "a\tb\n'ü"},
        {"day", "Date", "'2149-06-06'", "2149-06-06"},
        {"id", "UUID", "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"},
        {"enum", "Enum8('a' = 1, 'b' = -2)", "'b'", "b"},
        {"nothing", "Nullable(Int64)", "NULL", null},
        {"low", "LowCardinality(Nullable(String))", "'few'", "few"},
    };
    // And those it has no one text for: that they can be read is what is looked at.
    static final String[][] OTHERS = {
        {"fixed", "FixedString(4)", "'abcd'"},
        {"day32", "Date32", "'1900-01-01'"},
        {"at", "DateTime('UTC')", "'2026-01-02 03:04:05'"},
        {"at64", "DateTime64(6, 'UTC')", "'2026-01-02 03:04:05.678901'"},
        {"v4", "IPv4", "'127.0.0.1'"},
        {"v6", "IPv6", "'2001:db8::1'"},
        {"list", "Array(Int32)", "[1, 2]"},
        {"map", "Map(String, UInt64)", "map('a', 1)"},
        {"tuple", "Tuple(a Int32, b String)", "(1, 'x')"},
        {"json", "JSON", "'{\"a\": {\"b\": \"c\"}}'"},
        {"variant", "Variant(String, UInt64)", "'either'"},
        {"dynamic", "Dynamic", "'anything'"},
    };

    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("JDBC: " + what);
    }

    static void types(Connection connection) throws SQLException {
        List<String> columns = new ArrayList<>();
        List<String> values = new ArrayList<>();
        for (String[][] some : new String[][][] {FAMILIES, OTHERS}) {
            for (String[] family : some) {
                columns.add(family[0] + " " + family[1]);
                values.add(family[2]);
            }
        }
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE OR REPLACE TABLE families (" + String.join(", ", columns) + ") ENGINE = MergeTree ORDER BY tuple()");
            statement.execute("INSERT INTO families VALUES (" + String.join(", ", values) + ")");
            try (ResultSet found = statement.executeQuery("SELECT * FROM families")) {
                check(found.next(), "no row");
                for (String[] family : FAMILIES) {
                    String text = found.getString(family[0]);
                    check(family[3] == null ? text == null : family[3].equals(text), family[0] + " is " + text);
                }
                for (String[] family : OTHERS) check(found.getObject(family[0]) != null, family[0] + " is nothing");
                check(found.getObject("u256") instanceof BigInteger, "u256 is no number");
                check(found.getBigDecimal("d256").equals(new BigDecimal("123456789012345678901234567890.0123456789")), "d256 is another number");
            }
        }
    }

    static void many(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE OR REPLACE TABLE many (n UInt64, s String) ENGINE = MergeTree ORDER BY n");
        }
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO many (n, s) VALUES (?, ?)")) {
            for (int row = 0; row < 10_000; row++) {
                insert.setLong(1, row);
                insert.setString(2, "it's row " + row);
                insert.addBatch();
            }
            check(insert.executeBatch().length == 10_000, "a batch");
        }
        try (PreparedStatement select = connection.prepareStatement("SELECT s FROM many WHERE n = ?")) {
            select.setLong(1, 77);
            ResultSet found = select.executeQuery();
            check(found.next() && found.getString(1).equals("it's row 77"), "a parameter");
        }
        try (Statement statement = connection.createStatement();
                ResultSet found = statement.executeQuery("SELECT number FROM numbers(1000000)")) {
            long sum = 0;
            while (found.next()) sum += found.getLong(1);
            check(sum == 499999500000L, "a stream's sum is " + sum);
        }
        try (ResultSet tables = connection.getMetaData().getTables(null, "default", "many", null)) {
            check(tables.next(), "metadata");
        }
    }

    static void errors(Connection connection) throws SQLException {
        for (String[] bad : new String[][] {
            {"SELECT nope", "47"}, {"INSERT INTO nowhere VALUES (1)", "60"},
        }) {
            try (Statement statement = connection.createStatement()) {
                statement.execute(bad[0]);
                check(false, bad[0] + " went well");
            } catch (SQLException error) {
                check(String.valueOf(error.getMessage()).contains(bad[1]) || error.getErrorCode() == Integer.parseInt(bad[1]), bad[0] + ": " + error);
            }
        }
        boolean seen = false;
        try (Statement statement = connection.createStatement();
                ResultSet found = statement.executeQuery("SELECT throwIf(number = 5000000) FROM numbers(10000000)")) {
            while (found.next());
        } catch (SQLException | RuntimeException error) {
            // What it says differs with what the driver has read.
            seen = true;
        }
        check(seen, "an error in mid-stream went unseen");
        check(connection.isValid(5), "the connection after errors");
    }

    static void reads(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet found = statement.executeQuery("SELECT * FROM families")) {
            check(found.next(), "a reader finds no row");
            for (String[] family : OTHERS) check(found.getObject(family[0]) != null, family[0] + " is nothing to a reader");
        }
        try (PreparedStatement select = connection.prepareStatement("SELECT s FROM many WHERE n = ?")) {
            select.setLong(1, 77);
            ResultSet found = select.executeQuery();
            check(found.next() && found.getString(1).equals("it's row 77"), "a reader's parameter");
        }
        for (String bad : new String[] {
            "INSERT INTO many VALUES (1, 'x')", "CREATE TABLE mine (a UInt8) ENGINE = Memory", "DROP TABLE many",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT 1 SETTINGS max_threads = 1",
        }) {
            try (Statement statement = connection.createStatement()) {
                statement.execute(bad);
                check(false, "a reader's " + bad + " went well");
            } catch (SQLException error) {
                check(String.valueOf(error.getMessage()).contains("164") || error.getErrorCode() == 164, bad + ": " + error);
            }
        }
        check(connection.isValid(5), "a reader's connection after errors");
    }

    public static void main(String[] arguments) throws SQLException {
        for (String compress : new String[] {"false", "true"}) {
            Properties properties = new Properties();
            properties.setProperty("user", "default");
            properties.setProperty("password", "");
            properties.setProperty("compress", compress);
            properties.setProperty("decompress", compress);
            try (Connection connection = DriverManager.getConnection("jdbc:clickhouse://" + arguments[0] + "/default", properties)) {
                types(connection);
                many(connection);
                errors(connection);
            }
            properties.setProperty("user", "reader");
            properties.setProperty("password", "reads");
            try (Connection connection = DriverManager.getConnection("jdbc:clickhouse://" + arguments[0] + "/default", properties)) {
                reads(connection);
            }
            System.out.println("JDBC, compression " + compress + ": well");
        }
    }
}
