/** The `openclaw.json` that the request for this project shows. */
export const REQUEST = `{
  "secretsManagement": {
    "enabled": true,
    "workflow": "external",
    "rotationPolicy": { "api_keys": "monthly", "database_credentials": "daily", "aws_credentials": "90_days" },
    "audit": { "enabled": true, "trackUsage": true, "logAccess": true },
    "apply": { "zero_downtime": true, "rollingUpdate": true, "parallelSwitch": true },
    "reload": { "hot_reload": true, "backwards_compat": true, "rollback_on_error": true }
  },
  "api_key_management": {
    "github_token": { "rotation": "monthly", "scope": "repo:all", "permissions": ["read:all", "write:repo_hook"] },
    "openai_key": { "rotation": "quarterly", "scope": "user", "permissions": ["chat", "completion"] },
    "aws_key": { "rotation": "90_days", "scope": "service", "permissions": ["s3", "ec2"] }
  },
  "security": {
    "secret_validation": true,
    "injection_protection": { "detect_key_exposure": true, "auto_rotate": true, "notify_admin": true }
  }
}
`;
