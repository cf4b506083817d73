<resource schema="sanko_images" resdir=".">
  <meta name="title">Made-up images</meta>
  <meta name="creationDate">2026-11-01T00:00:00Z</meta>
  <meta name="description">Images of noise, for tests.</meta>
  <meta name="subject">x-ray-astronomy</meta>
  <meta name="creator">Nobody</meta>
  <table id="images" onDisk="True" adql="True">
    <mixin>//siap#pgs</mixin>
    <mixin calibLevel="2" collectionName="'sanko'" targetName="imageTitle" expTime="1000" targetClass="'Star'">//obscore#publishSIAP</mixin>
  </table>
  <data id="import">
    <sources pattern="data/*.fits"/>
    <fitsProdGrammar>
      <rowfilter procDef="//products#define"><bind key="table">"sanko_images.images"</bind></rowfilter>
    </fitsProdGrammar>
    <make table="images">
      <rowmaker>
        <apply procDef="//siap#setMeta">
          <bind key="title">@OBJECT</bind>
          <bind key="instrument">"Xtend"</bind>
          <bind key="bandpassLo">6e-10</bind>
          <bind key="bandpassHi">2.5e-9</bind>
          <bind key="bandpassId">@FILTER</bind>
          <bind key="dateObs">@DATE_OBS</bind>
        </apply>
        <apply procDef="//siap#computePGS"/>
      </rowmaker>
    </make>
  </data>
  <service id="sia" allowed="siap.xml,form">
    <meta name="shortName">made-up images</meta>
    <meta name="sia.type">Pointed</meta>
    <meta name="testQuery"><meta name="pos.ra">10</meta><meta name="pos.dec">20</meta><meta name="size.ra">1</meta><meta name="size.dec">1</meta></meta>
    <dbCore queriedTable="images">
      <condDesc original="//siap#protoInput"/><condDesc original="//siap#humanInput"/>
    </dbCore>
  </service>
  <service id="dl" allowed="dlmeta,dlget">
    <meta name="title">Links of made-up images</meta>
    <datalinkCore>
      <descriptorGenerator procDef="//soda#fits_genDesc" name="descriptors"/>
      <metaMaker semantics="#calibration">
        <code>
          yield descriptor.makeLink("http://127.0.0.1:18080/flat.fits", description="Flat field",
            contentType="application/fits", contentLength=2880)
        </code>
      </metaMaker>
    </datalinkCore>
  </service>
</resource>
