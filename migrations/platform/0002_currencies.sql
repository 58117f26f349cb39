-- ISO 4217 as billing/currency.py has it (list of 2026-01-01). A new list is a new migration; a test compares the two.
-- `unit` is the minor unit in major units with its digits (0.01, 1, 0.001): minor * unit shows all of a currency's digits.
CREATE TABLE beaas.currencies (
    currency text PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 8),
    unit numeric NOT NULL GENERATED ALWAYS AS (round(power(10::numeric, -exponent), exponent)) STORED
);
GRANT SELECT ON beaas.currencies TO beaas_api, beaas_service;

INSERT INTO beaas.currencies (currency, exponent)
SELECT unnest(string_to_array(
    'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF', ' ')), 0
UNION ALL SELECT unnest(string_to_array(
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF '
    'CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD '
    'GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL '
    'MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR '
    'PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP '
    'TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG', ' ')), 2
UNION ALL SELECT unnest(string_to_array(
    'BHD IQD JOD KWD LYD OMR TND', ' ')), 3
UNION ALL SELECT unnest(string_to_array(
    'CLF UYW', ' ')), 4;
