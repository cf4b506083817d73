"""PDS products made for tests: synthetic numbers under labels that keep the two standards."""

import numpy as np

ROWS = 6


def bz(row):
    return None if row == 2 else 7.125 - row


def table_3(folder, *, name="MAG", rows=ROWS, extra=(), unit="NT", **changed):
    """Write a fixed-width PDS3 table with a detached label; return the label's path."""
    missing = 99999.0
    lines = []
    for row in range(rows):
        z = missing if bz(row) is None else bz(row)
        when = changed.get("times", lambda n: f"2004-001T00:00:{n:06.3f}")(row)
        lines.append(f"{when:<21s}{1.5 * row:10.3f}{-2.25:10.3f}{z:10.3f}{row % 3:3d}\r\n")
    (folder / f"{name}.TAB").write_bytes("".join(lines).encode())
    width = len(lines[0])
    columns = [
        ("UTC", "TIME", 1, 21, None),
        ("BX", "ASCII_REAL", 22, 10, unit),
        ("BY", "ASCII_REAL", 32, 10, unit),
        ("BZ", "ASCII_REAL", 42, 10, unit),
        ("QF", "ASCII_INTEGER", 52, 3, None),
    ]
    told = [
        "PDS_VERSION_ID = PDS3",
        "RECORD_TYPE = FIXED_LENGTH",
        f"RECORD_BYTES = {width}",
        f"FILE_RECORDS = {rows}",
        f'^TABLE = "{changed.get("points", name + ".TAB")}"',
        'DATA_SET_ID = "SYNTHETIC-M-MAG-3-V1.0"',
        'INSTRUMENT_HOST_NAME = "SYNTHETIC PROBE"',
        'INSTRUMENT_NAME = "MAGNETOMETER"',
        "TARGET_NAME = MARS",
        "OBJECT = TABLE",
        "  INTERCHANGE_FORMAT = ASCII",
        f"  ROWS = {changed.get('says', rows)}",
        f"  COLUMNS = {len(columns)}",
        f"  ROW_BYTES = {width}",
    ]
    for column, kind, start, size, units in columns:
        told += [
            "  OBJECT = COLUMN",
            f"    NAME = {column}",
            f"    DATA_TYPE = {kind}",
            f"    START_BYTE = {start}",
            f"    BYTES = {size}",
            *([f'    UNIT = "{units}"', f"    MISSING_CONSTANT = {missing}"] if units else []),
            *[line for named, line in extra if named == column],
            f'    DESCRIPTION = "Column {column}"',
            "  END_OBJECT = COLUMN",
        ]
    label = folder / f"{name}.LBL"
    label.write_bytes("\r\n".join([*told, "END_OBJECT = TABLE", "END", ""]).encode())
    return label


def binary_3(folder, values):
    """Write a binary PDS3 table, one scaled column and one of three items, its label attached."""
    width = 2 + 3 * 4
    packed = np.zeros(len(values), [("count", ">i2"), ("flux", ">f4", 3)])
    packed["count"], packed["flux"] = values[:, 0], values[:, 1:]
    told = f"""PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = {width}
LABEL_RECORDS = 100
^TABLE = 101
DATA_SET_ID = "SYNTHETIC-P-ELS-2-V1.0"
OBJECT = TABLE
  INTERCHANGE_FORMAT = BINARY
  ROWS = {len(values)}
  COLUMNS = 2
  ROW_BYTES = {width}
  OBJECT = COLUMN
    NAME = ENERGY
    DATA_TYPE = MSB_INTEGER
    START_BYTE = 1
    BYTES = 2
    UNIT = "EV"
    SCALING_FACTOR = 0.5
    OFFSET = 10
    MISSING_CONSTANT = -1
  END_OBJECT = COLUMN
  OBJECT = COLUMN
    NAME = FLUX
    DATA_TYPE = IEEE_REAL
    START_BYTE = 3
    BYTES = 12
    ITEMS = 3
    ITEM_BYTES = 4
    UNIT = "1/CM^3"
  END_OBJECT = COLUMN
END_OBJECT = TABLE
END
""".replace("\n", "\r\n")
    path = folder / "ELS.DAT"
    path.write_bytes(told.encode().ljust(100 * width) + packed.tobytes())
    return path


def product_4(folder, *, rows=ROWS, file_name="mag.tab"):
    """Write a PDS4 character table and an array under one label; return the label's path."""
    missing = -9999.0
    lines = []
    for row in range(rows):
        z = missing if bz(row) is None else bz(row)
        lines.append(f"2019-01-01T00:00:{row:06.3f}Z{1.5 * row:10.3f}{z:10.3f}\r\n")
    (folder / "mag.tab").write_bytes("".join(lines).encode())
    (folder / "spectra.dat").write_bytes(np.arange(12, dtype=">f4").tobytes())
    fields = [("UTC", "ASCII_Date_Time_YMD_UTC", 1, 24, ""), ("Bx", "ASCII_Real", 25, 10, "nT")]
    fields.append(("Bz", "ASCII_Real", 35, 10, "nT"))
    told = "".join(
        f"<Field_Character><name>{name}</name><field_number>{number}</field_number>"
        f'<field_location unit="byte">{start}</field_location><data_type>{kind}</data_type>'
        f'<field_length unit="byte">{size}</field_length>'
        + (f"<unit>{unit}</unit>" if unit else "")
        + f"<description>The {name}</description>"
        + (f"<Special_Constants><missing_constant>{missing}</missing_constant></Special_Constants>" if unit else "")
        + "</Field_Character>"
        for number, (name, kind, start, size, unit) in enumerate(fields, 1)
    )
    axes = "".join(
        f"<Axis_Array><axis_name>{name}</axis_name><elements>{size}</elements>"
        f"<sequence_number>{number}</sequence_number></Axis_Array>"
        for number, (name, size) in enumerate([("Time", 3), ("Energy", 4)], 1)
    )
    label = folder / "mag.xml"
    label.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">
<Identification_Area><logical_identifier>urn:nasa:pds:synthetic:data:mag</logical_identifier>
<version_id>1.0</version_id><title>Synthetic magnetometer</title>
<information_model_version>1.11.0.0</information_model_version><product_class>Product_Observational</product_class>
<Citation_Information><doi>10.0000/synthetic</doi></Citation_Information></Identification_Area>
<Observation_Area><Observing_System>
<Observing_System_Component><name>Synthetic probe</name><type>Host</type></Observing_System_Component>
<Observing_System_Component><name>MAG</name><type>Instrument</type></Observing_System_Component>
</Observing_System><Target_Identification><name>Mercury</name></Target_Identification></Observation_Area>
<File_Area_Observational><File><file_name>{file_name}</file_name></File>
<Table_Character><name>MAG</name><offset unit="byte">0</offset><records>{rows}</records>
<record_delimiter>Carriage-Return Line-Feed</record_delimiter>
<Record_Character><fields>3</fields><groups>0</groups><record_length unit="byte">{len(lines[0])}</record_length>
{told}</Record_Character></Table_Character></File_Area_Observational>
<File_Area_Observational><File><file_name>spectra.dat</file_name></File>
<Array_2D><local_identifier>spectra</local_identifier><offset unit="byte">0</offset><axes>2</axes>
<axis_index_order>Last Index Fastest</axis_index_order>
<Element_Array><data_type>IEEE754MSBSingle</data_type><unit>cm-2</unit></Element_Array>{axes}</Array_2D>
</File_Area_Observational></Product_Observational>
""",
        encoding="utf-8",
    )
    return label
