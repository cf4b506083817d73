<resource schema="sanko_xobs" resdir=".">
  <meta name="title">Made-up X-ray observations</meta>
  <meta name="creationDate">2026-11-01T00:00:00Z</meta>
  <meta name="description">Observations that nobody made, for tests.</meta>
  <meta name="subject">x-ray-astronomy</meta>
  <meta name="creator">Nobody</meta>
  <meta name="rights">CC0</meta>
  <table id="xobs" onDisk="True" adql="True" mixin="//scs#q3cindex">
    <meta name="description">Made-up pointings: where, when, how long.</meta>
    <primary>obs_id</primary>
    <column name="obs_id" type="text" required="True" ucd="meta.id;meta.main" description="Observation"/>
    <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main" description="Right ascension (ICRS)"/>
    <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main" description="Declination (ICRS)"/>
    <column name="start_mjd" type="double precision" unit="d" ucd="time.start" description="Start, MJD in UTC"/>
    <column name="began" type="timestamp" ucd="time.start" description="Start"/>
    <column name="exposure" type="real" unit="s" ucd="time.duration;obs.exposure" description="Exposure"/>
    <column name="counts" type="bigint" ucd="phot.count" description="Counts, missing where nothing was seen">
      <values nullLiteral="-1"/>
    </column>
    <column name="instrument" type="text" ucd="meta.id;instr" description="Instrument"/>
  </table>
  <data id="import">
    <sources>data.csv</sources>
    <csvGrammar/>
    <make table="xobs">
      <rowmaker idmaps="*">
        <map key="began">parseTimestamp(@began, "%Y-%m-%dT%H:%M:%S")</map>
        <map key="counts">parseWithNull(@counts, int, "")</map>
      </rowmaker>
    </make>
  </data>
  <service id="cone" allowed="scs.xml,form">
    <meta name="shortName">made-up cone</meta>
    <meta name="testQuery"><meta name="ra">10</meta><meta name="dec">10</meta><meta name="sr">5</meta></meta>
    <scsCore queriedTable="xobs"><FEED source="//scs#coreDescs"/></scsCore>
  </service>
</resource>
