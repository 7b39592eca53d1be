// A provider of OpenID Connect made with oidc-provider, over https, for tests: `node oidc_provider.mjs CERT KEY`, run in the
// folder that oidc-provider is installed in, prints its port. Client `c` with secret `s` gets tokens that are JWTs by
// client_credentials; the key that signs them is made at each start.
import fs from 'node:fs';
import https from 'node:https';
import {generateKeyPairSync} from 'node:crypto';
import {createRequire} from 'node:module';

const Provider = (await import(createRequire(process.cwd() + '/').resolve('oidc-provider'))).default;
const [certificate, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = https.createServer({cert: certificate, key});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const port = server.address().port;
const issuer = `https://id.test:${port}`;
const audience = 'urn:tenants';
const signing = {...generateKeyPairSync('rsa', {modulusLength: 2048}).privateKey.export({format: 'jwk'}), kid: 'k', use: 'sig', alg: 'RS256'};
const provider = new Provider(issuer, {
  clients: [{client_id: 'c', client_secret: 's', grant_types: ['client_credentials'], redirect_uris: [], response_types: []}],
  jwks: {keys: [signing]},
  features: {
    clientCredentials: {enabled: true},
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: () => ({scope: '', audience, accessTokenFormat: 'jwt', jwt: {sign: {alg: 'RS256'}}}),
    },
  },
});
server.on('request', provider.callback());
console.log(port);
