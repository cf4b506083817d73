<resource schema="sanko_epn" resdir=".">
  <meta name="title">Made-up granules</meta>
  <meta name="creationDate">2026-11-01T00:00:00Z</meta>
  <meta name="description">Magnetic field granules that nobody measured, for tests.</meta>
  <meta name="subject">mercury-planet</meta>
  <meta name="creator">Nobody</meta>
  <table id="epn_core" onDisk="True" adql="True">
    <mixin spatial_frame_type="none" optional_columns="access_url access_format access_estsize">//epntap2#table-2_0</mixin>
  </table>
  <data id="import">
    <sources>data.csv</sources>
    <csvGrammar/>
    <make table="epn_core">
      <rowmaker idmaps="*">
        <apply procDef="//epntap2#populate-2_0" name="fill">
          <bind key="granule_uid">@granule_uid</bind>
          <bind key="granule_gid">"mag"</bind>
          <bind key="obs_id">@granule_uid</bind>
          <bind key="target_name">@target</bind>
          <bind key="target_class">"planet"</bind>
          <bind key="time_scale">"UTC"</bind>
          <bind key="time_min">float(@first)</bind>
          <bind key="time_max">float(@last)</bind>
          <bind key="instrument_host_name">@host</bind>
          <bind key="instrument_name">"MAG"</bind>
          <bind key="dataproduct_type">"ts"</bind>
          <bind key="measurement_type">"phys.magField"</bind>
          <bind key="processing_level">int(@level)</bind>
          <bind key="service_title">"sanko"</bind>
          <bind key="creation_date">"2020-01-01"</bind>
          <bind key="modification_date">"2020-01-01"</bind>
          <bind key="release_date">"2020-01-01"</bind>
        </apply>
        <map key="access_url">@url</map>
        <map key="access_format">"text/csv"</map>
        <map key="access_estsize">int(@size)</map>
      </rowmaker>
    </make>
  </data>
</resource>
