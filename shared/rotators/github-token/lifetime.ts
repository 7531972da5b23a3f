/** Of an installation token, from GitHub: https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app */
export const LIFETIME_SECONDS = 3600;
